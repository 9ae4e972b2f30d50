"""Each operator by example, with what was decided about case, unknown values and wrong types."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from audience import segments
from audience.models import Attribute, Workspace
from tests.factories import AttributeFactory, CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
PEOPLE: dict[str, dict[str, Any]] = {
    "ann": {"name": "Ann", "orders": 3, "plan": "Pro", "last_order": "2024-03-10", "vip": True},
    "bob": {"name": "bob Müller", "orders": -1.5, "plan": "PROFI", "last_order": "2024-03-04", "vip": False},
    "eve": {"name": "ÉVE", "orders": 10, "plan": "100%", "last_order": "2024-03-03"},
    "new": {},
    # What no import writes, but a database may hold.
    "odd": {"orders": "abc", "plan": 7, "last_order": "soon", "vip": "true"},
    "nil": {"orders": None, "plan": None, "last_order": None, "vip": None},
    "bad": {"orders": True, "plan": ["pro"], "last_order": 20240310, "vip": 1},
}
UNKNOWN = {"new", "odd", "nil", "bad"}


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory()
    for name, type_ in {"orders": "number", "plan": "text", "last_order": "date", "vip": "boolean"}.items():
        AttributeFactory(workspace=workspace, name=name, type=Attribute.Type(type_))
    for key, attributes in PEOPLE.items():
        name = attributes.get("name", "")
        CustomerFactory(email=f"{key}@x.example", name=name, external_id=name, attributes=attributes)
    return workspace


def found(workspace: Workspace, field: str, operator: str, value: object = None) -> set[str]:
    rule = {"field": field, "operator": operator, "value": value}
    emails = segments.matching(workspace, {"all": [rule]}, NOW).values_list("email", flat=True)
    return {email.removesuffix("@x.example") for email in emails}


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("equals", 3, {"ann"}),
        ("equals", 3.0, {"ann"}),
        ("greater", 3, {"eve"}),
        ("greater_or_equal", 3, {"ann", "eve"}),
        ("less", 3, {"bob"}),
        ("less_or_equal", 3, {"ann", "bob"}),
        ("less", 10**15, {"ann", "bob", "eve"}),
        ("between", [-1.5, 3], {"ann", "bob"}),
        ("in", [10, 3, 99], {"ann", "eve"}),
        ("is_set", None, {"ann", "bob", "eve"}),
    ],
)
def test_numbers(workspace: Workspace, operator: str, value: object, expected: set[str]) -> None:
    assert found(workspace, "attributes.orders", operator, value) == expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("equals", "pro", {"ann"}),
        ("contains", "RO", {"ann", "bob"}),
        ("contains", "%", {"eve"}),
        ("contains", "_", set()),
        ("starts_with", "pro", {"ann", "bob"}),
        ("starts_with", "ro", set()),
        ("in", ["profi", "100%"], {"bob", "eve"}),
        ("is_set", None, {"ann", "bob", "eve"}),
    ],
)
def test_texts_are_compared_without_regard_to_case(
    workspace: Workspace, operator: str, value: object, expected: set[str]
) -> None:
    assert found(workspace, "attributes.plan", operator, value) == expected


def test_case_is_disregarded_beyond_ascii(workspace: Workspace) -> None:
    assert found(workspace, "name", "contains", "MÜLL") == {"bob"}
    assert found(workspace, "name", "in", ["éve", "ANN"]) == {"ann", "eve"}


def test_external_ids_are_compared_with_regard_to_case(workspace: Workspace) -> None:
    assert found(workspace, "external_id", "equals", "ann") == set()
    assert found(workspace, "external_id", "in", ["Ann", "éve"]) == {"ann"}


def test_addresses_are_found_however_they_are_written(workspace: Workspace) -> None:
    assert found(workspace, "email", "equals", "Ann@X.Example") == {"ann"}
    assert found(workspace, "email", "starts_with", "N") == {"new", "nil"}


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("equals", "2024-03-10", {"ann"}),
        ("before", "2024-03-04", {"eve"}),
        ("after", "2024-03-04", {"ann"}),
        ("on_or_before", "2024-03-04", {"bob", "eve"}),
        ("on_or_after", "2024-03-04", {"ann", "bob"}),
        ("between", ["2024-03-03", "2024-03-04"], {"bob", "eve"}),
        ("in_last_days", 1, {"ann"}),
        ("in_last_days", 7, {"ann", "bob"}),
        ("in_last_days", 8, {"ann", "bob", "eve"}),
        ("on_or_after", "1800-01-01", {"ann", "bob", "eve"}),
        ("on_or_before", "2999-12-31", {"ann", "bob", "eve"}),
        ("is_set", None, {"ann", "bob", "eve"}),
    ],
)
def test_dates(workspace: Workspace, operator: str, value: object, expected: set[str]) -> None:
    assert found(workspace, "attributes.last_order", operator, value) == expected


def test_a_day_to_come_is_not_in_the_last_days(workspace: Workspace) -> None:
    CustomerFactory(email="far@x.example", attributes={"last_order": "2024-03-11"})
    assert "far" not in found(workspace, "attributes.last_order", "in_last_days", 30)
    assert "far" in found(workspace, "attributes.last_order", "not_in_last_days", 30)


def test_yes_and_no(workspace: Workspace) -> None:
    assert found(workspace, "attributes.vip", "equals", True) == {"ann"}
    assert found(workspace, "attributes.vip", "equals", False) == {"bob"}
    assert found(workspace, "attributes.vip", "is_set") == {"ann", "bob"}
    assert found(workspace, "subscribed", "equals", True) == set(PEOPLE)
    assert found(workspace, "subscribed", "not_equals", True) == set()


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("attributes.plan", "not_equals", "pro", {"bob", "eve"} | UNKNOWN),
        ("attributes.plan", "not_contains", "pro", {"eve"} | UNKNOWN),
        ("attributes.plan", "not_in", ["pro", "profi"], {"eve"} | UNKNOWN),
        ("attributes.plan", "is_not_set", None, UNKNOWN),
        ("attributes.orders", "not_equals", 3, {"bob", "eve"} | UNKNOWN),
        ("attributes.orders", "not_in", [3, 10], {"bob"} | UNKNOWN),
        ("attributes.orders", "is_not_set", None, UNKNOWN),
        ("attributes.last_order", "not_equals", "2024-03-10", {"bob", "eve"} | UNKNOWN),
        ("attributes.last_order", "not_in_last_days", 7, {"eve"} | UNKNOWN),
        ("attributes.vip", "not_equals", True, {"bob", "eve"} | UNKNOWN),
        ("name", "not_contains", "müller", {"ann", "eve"} | UNKNOWN),
        ("name", "is_not_set", None, UNKNOWN),
    ],
)
def test_a_negative_includes_those_without_a_value(
    workspace: Workspace, field: str, operator: str, value: object, expected: set[str]
) -> None:
    assert found(workspace, field, operator, value) == expected
