"""The wall between workspaces: every operation, asked with every id of another workspace in every place.

The walk finds operations and ids in the API's own description. An id that is not known here fails it:
whoever adds one says what of another workspace it could be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from audience.models import Customer
from campaigns.models import Campaign, CampaignSender, FlowVersion, Sender, Template
from tests.api.program import Program, problem
from tests.api.walk import FOREIGN, body_of, call, filled, operations
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    FlowFactory,
    SuppressionFactory,
    TemplateFactory,
    WorkspaceFactory,
)
from tests.world import MARK, World, everything


def places(data: Any, prefix: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Every id in a body: what holds it, under which name, and the path to it."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in items:
        path = f"{prefix}{name}"
        if path.endswith(("_id", ".id")) and path != "customers.0.external_id":
            yield data, name, path
        yield from places(value, f"{path}.")


def untouched(before: dict[str, list[dict[str, Any]]], world: World) -> None:
    """Nothing of the other workspace has changed, and what is new is one's own and names nothing foreign."""
    foreign = {
        column: world.pk(model)
        for column, model in FOREIGN.items()
        if column not in ("senders.0.id", "number")
    }
    for label, rows in everything().items():
        if label in ("audience.ApiKey", "audience.StoredAnswer"):
            continue
        kept = [row for row in rows if row in before[label]]
        assert [row for row in before[label] if row.get("workspace_id") == world.other.pk] == [
            row for row in kept if row.get("workspace_id") == world.other.pk
        ], label
        for row in rows:
            if row not in kept and row.get("workspace_id") is not None:
                assert row["workspace_id"] == world.own.pk, label
                named = [name for name, pk in foreign.items() if row.get(name) == pk]
                assert not named, f"{label} names {named} of the other workspace"


def test_no_operation_shows_or_changes_anything_of_another_workspace(world: World) -> None:
    program, before = Program(world.own), everything()
    walked = 0
    for method, path, operation in operations():
        response = call(program, method, filled(path, world), body_of(operation))
        assert MARK.encode() not in response.content.lower(), f"{method} {path}"
        if "{" in path:
            assert response.status_code == 404, f"{method} {path}: {response.content!r}"
        walked += 1
    assert walked > 50
    untouched(before, world)


def test_an_id_of_another_workspace_looks_like_one_that_does_not_exist(world: World) -> None:
    program = Program(world.own)
    for method, path, operation in operations():
        if "{" in path:
            there = call(program, method, filled(path, world), body_of(operation))
            nowhere = call(program, method, re.sub(r"{\w+}", "987654321", path), body_of(operation))
            assert there.content == nowhere.content, f"{method} {path}"


def test_no_id_in_a_body_reaches_into_another_workspace(world: World) -> None:
    program = Program(world.own)
    own = {
        "campaign_id": CampaignFactory(workspace=world.own).pk,
        "template_id": TemplateFactory(workspace=world.own).pk,
    }
    tried = 0
    for method, path, operation in operations():
        body = body_of(operation)
        for holder, name, place in places(body):
            known, holder[name] = holder[name], world.pk(FOREIGN[place])
            before = everything()
            response = call(program, method, filled(path, world, own), body)
            assert response.status_code in (404, 422), f"{method} {path} {place}: {response.content!r}"
            assert MARK.encode() not in response.content.lower(), f"{method} {path} {place}"
            untouched(before, world)
            assert not CampaignSender.objects.filter(
                campaign__workspace=world.own, sender=world.pk(Sender)
            ).exists()
            holder[name] = known
            tried += 1
    assert tried >= 6


def test_no_id_in_a_query_reaches_into_another_workspace(world: World) -> None:
    program = Program(world.own)
    own = {"customer_id": CustomerFactory(workspace=world.own).pk}
    tried = 0
    for method, path, operation in operations():
        for parameter in operation["parameters"]:
            name = parameter["name"]
            if parameter["in"] == "query" and name.endswith("_id") and name != "external_id":
                answer = program.call(method, f"{filled(path, world, own)}?{name}={world.pk(FOREIGN[name])}")
                assert answer.json()["items"] == []
                tried += 1
    assert tried >= 4


def test_what_filters_of_texts_find_is_ones_own(world: World) -> None:
    program = Program(world.own)
    for path in (
        f"/customers?email={MARK}@example.com",
        f"/suppressions?email={MARK}@example.org",
        f"/segments?name={MARK}",
        f"/templates?name={MARK}",
        f"/campaigns?name={MARK}",
        f"/flows?name={MARK}",
        f"/customer-events?key={MARK}",
    ):
        assert program.get(path).json()["items"] == [], path


def test_a_flow_cannot_be_published_with_another_workspaces_things(world: World) -> None:
    program = Program(world.own)
    for step in (
        {"key": 1, "kind": "send", "template": world.pk(Template)},
        {"key": 1, "kind": "send", "template": TemplateFactory(workspace=world.own).pk}
        | {"sender": world.pk(Sender)},
    ):
        flow = FlowFactory(workspace=world.own, steps=[step, {"key": 2, "kind": "exit"}])
        answer = program.post(f"/flows/{flow.pk}/versions", {})
        assert "does not exist here" in problem(answer, 409, "not-ready")["detail"]
        assert not FlowVersion.objects.filter(flow=flow).exists()


def test_events_find_nobody_of_another_workspace(world: World) -> None:
    program, customer = Program(world.own), world.foreign[Customer]
    row = {"name": "order_placed", "key": "mine", "email": f"{MARK}@example.com"}
    assert customer.email == row["email"]  # type: ignore[attr-defined]
    assert program.post("/customer-events", {"events": [row]}).json()["unknown"] == 1


def test_rows_of_a_bulk_call_never_change_another_workspaces_customer(world: World) -> None:
    program = Program(world.own)
    row = {"email": f"{MARK}@example.com", "name": "Mine"}
    answer = program.post("/customers/bulk", {"customers": [row]}).json()
    assert answer["rows"][0]["result"] == "created"
    world.foreign[Customer].refresh_from_db()
    assert world.foreign[Customer].name == MARK  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_of_a_suppressed_address_ones_own_row_is_read_back() -> None:
    program = Program()
    SuppressionFactory(workspace=WorkspaceFactory(slug="theirs"), email="ada@example.com", note="theirs")
    made = program.post("/suppressions", {"emails": ["ada@example.com"], "note": "ours"})
    assert [item["note"] for item in made.json()["items"]] == ["ours"]


def test_a_segment_cannot_ask_about_another_workspaces_campaigns(world: World) -> None:
    program = Program(world.own)
    rule = {"field": "sent", "operator": "campaign", "value": world.pk(Campaign)}
    answer = program.post("/segments", {"name": "Spy", "criteria": {"all": [rule]}})
    assert answer.status_code == 422, answer.content


def test_the_walk_finds_what_is_ones_own(world: World) -> None:
    """The walk's own test: with a key of the other workspace, the mark is in the answers."""
    program = Program(world.other)
    for path in ("/campaigns/{campaign_id}", "/customers/{customer_id}", "/templates/{template_id}"):
        assert MARK.encode() in program.get(filled(path, world)).content.lower()


def test_senders_show_no_secret(world: World) -> None:
    program = Program(world.own)
    sender = Sender(workspace=world.own, name="S", from_email="a@example.com", transport="smtp")
    sender.host, sender.username = "smtp.example.com", "log-in-name"
    sender.set_password("pass-word")
    sender.set_credentials({"api_key": "key-of-service"})
    sender.save()
    text = program.get(f"/senders/{sender.pk}").content.decode() + program.get("/senders").content.decode()
    for secret in ("pass-word", "key-of-service", "log-in-name", sender.sealed_password, "sealed"):
        assert secret not in text
    assert json.loads(program.get(f"/senders/{sender.pk}").content)["from_email"] == "a@example.com"
