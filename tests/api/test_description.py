from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from audience.api_keys import SCOPES
from config.api import api

SNAPSHOT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def described() -> Any:
    return json.loads(json.dumps(api.get_openapi_schema()))


def operations(described: Any) -> list[Any]:
    return [operation for methods in described["paths"].values() for operation in methods.values()]


def test_the_description_is_the_one_that_was_agreed(described: Any) -> None:
    """A change of the API is seen in a diff. `make openapi` writes the file anew."""
    assert described == json.loads(SNAPSHOT.read_text())
    assert described["openapi"].startswith("3.1")


def test_every_operation_says_what_it_does_and_which_scopes_it_takes(described: Any) -> None:
    for operation in operations(described):
        assert operation["description"].endswith("."), operation["operationId"]
        [(name, scopes)] = operation["security"][0].items()
        assert name == "ApiKey" and scopes and set(scopes) <= set(SCOPES)
    taken = {scope for operation in operations(described) for scope in operation["security"][0]["ApiKey"]}
    assert taken == set(SCOPES)


def test_every_body_has_an_example_and_refuses_what_it_does_not_know(described: Any) -> None:
    schemas = described["components"]["schemas"]
    for operation in operations(described):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json":
                body = schemas[content["schema"]["$ref"].rpartition("/")[2]]
                assert body["examples"] and body["additionalProperties"] is False, operation["operationId"]


def test_every_operation_answers_with_problem_details(described: Any) -> None:
    for operation in operations(described):
        for status, answer in operation["responses"].items():
            kinds = list(answer.get("content", {}))
            assert kinds == (["application/problem+json"] if int(status) >= 400 else kinds)
        assert {"401", "403", "422", "429"} <= operation["responses"].keys()


def test_every_post_takes_an_idempotency_key_and_every_patch_a_version(described: Any) -> None:
    for methods in described["paths"].values():
        for method, operation in methods.items():
            headers = {found["name"] for found in operation["parameters"] if found["in"] == "header"}
            assert headers == {"post": {"Idempotency-Key"}, "patch": {"If-Match"}}.get(method, set())


def test_no_two_things_share_a_name_in_the_description(described: Any) -> None:
    """Ninja joins the schemas of all operations by name; the last one would win."""
    assert (
        not {"Status", "Type", "State", "Reason", "Format", "Source"}
        & described["components"]["schemas"].keys()
    )


@pytest.mark.django_db
def test_the_page_of_the_api_needs_no_other_server() -> None:
    page = Client().get("/api/docs").content.decode()
    assert "swagger-ui-bundle.js" in page and "//cdn" not in page and "https://" not in page
