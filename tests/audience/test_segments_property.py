"""What SQL answers is what a plain reading of the tree answers, whatever is stored."""

from __future__ import annotations

import operator
import re
import string
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from audience import segments
from audience.models import Attribute, Customer, Workspace
from tests.factories import AttributeFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

ZONE = "Pacific/Auckland"
NOW = datetime(2024, 3, 9, 11, 30, tzinfo=UTC)  # 10 March in Auckland
TODAY = date(2024, 3, 10)
FIELDS = {
    "email": "text",
    "name": "text",
    "external_id": "text",
    "subscribed": "boolean",
    "created_at": "date",
    "attributes.plan": "text",
    "attributes.orders": "number",
    "attributes.last_order": "date",
    "attributes.vip": "boolean",
}
ALWAYS_KNOWN = {"email", "subscribed", "created_at"}
POSITIVE = {
    "not_equals": "equals",
    "not_contains": "contains",
    "not_in": "in",
    "not_in_last_days": "in_last_days",
    "is_not_set": "is_set",
}
ANY_TYPE = ["equals", "not_equals", "is_set", "is_not_set"]
OPERATORS = {
    "text": [*ANY_TYPE, "contains", "not_contains", "starts_with", "in", "not_in"],
    "number": [
        *ANY_TYPE, "in", "not_in", "greater", "greater_or_equal", "less", "less_or_equal", "between",
    ],
    "date": [
        *ANY_TYPE, "before", "after", "on_or_before", "on_or_after", "between",
        "in_last_days", "not_in_last_days",
    ],
    "boolean": ANY_TYPE,
}  # fmt: skip

texts = st.text(alphabet="abAB äÄßéÉøØжЖ%_\\'\"$.🙂漢", max_size=4)
numbers = st.integers(-5, 5) | st.integers(-(10**15), 10**15) | st.decimals(-9, 9, places=2).map(float)
days = st.dates(TODAY - timedelta(days=9), TODAY + timedelta(days=3)) | st.dates(
    date(1800, 1, 1), date(2999, 12, 31)
)
odd = st.sampled_from(
    [
        None,
        "",
        [],
        {},
        [3],
        {"a": 3},
        "3",
        "abc",
        "true",
        "null",
        "2024-3-9",
        "2024-03-09T10:00:00",
        "20240309",
    ]
    + [True, False, 0, 1, -0.0, 1e300, 10**17 + 1, 2024]
)
stored = {
    "text": texts | odd,
    "number": numbers | odd,
    "date": days.map(str) | odd,
    "boolean": st.booleans() | odd,
}
values: dict[str, st.SearchStrategy[Any]] = {
    "text": texts.filter(bool),
    "number": numbers,
    "date": days.map(str),
    "boolean": st.booleans(),
}


def operators(field: str) -> list[str]:
    """Those of the field's type; whether there is a value is not asked of fields that always have one."""
    return [name for name in OPERATORS[FIELDS[field]] if not (field in ALWAYS_KNOWN and name.endswith("set"))]


@st.composite
def rules(draw: st.DrawFn, field: str) -> dict[str, Any]:
    of_type = values[FIELDS[field]]
    name = draw(st.sampled_from(operators(field)))
    match name:
        case "is_set" | "is_not_set":
            return {"field": field, "operator": name}
        case "in" | "not_in":
            of_type = st.lists(of_type, min_size=1, max_size=4)
        case "between":
            of_type = st.lists(of_type, min_size=2, max_size=2).map(sorted)
        case "in_last_days" | "not_in_last_days":
            of_type = st.integers(1, 9) | st.just(36_500)
    return {"field": field, "operator": name, "value": draw(of_type)}


def groups(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(
        st.sampled_from(["all", "any"]), st.lists(nodes, min_size=1, max_size=3), min_size=1, max_size=1
    )


any_rule = st.sampled_from(sorted(FIELDS)).flatmap(rules)
trees = groups(any_rule | groups(any_rule | groups(any_rule)))


@st.composite
def people(draw: st.DrawFn) -> dict[str, Any]:
    attributes = {
        name.removeprefix("attributes."): stored[kind] for name, kind in FIELDS.items() if "." in name
    }
    moments = st.datetimes(datetime(2024, 2, 28), datetime(2024, 3, 12), timezones=st.just(UTC))  # noqa: DTZ001
    return {
        "name": draw(texts),
        "external_id": draw(texts),
        "subscribed": draw(st.booleans()),
        "created_at": draw(moments),
        "email": draw(st.text(string.ascii_lowercase + "é", min_size=1, max_size=3)),
        "attributes": draw(st.fixed_dictionaries({}, optional=attributes)),
    }


several_people = st.lists(people(), min_size=1, max_size=8, unique_by=lambda person: person["email"])


def known(customer: dict[str, Any], field: str) -> Any:
    """The customer's value of the field, None when it is unknown or of another type."""
    if field == "created_at":
        return str(customer["created_at"].astimezone(ZoneInfo(ZONE)).date())
    source, _, name = field.rpartition(".")
    value = customer["attributes"].get(name) if source else customer[name]
    fits = {
        "text": isinstance(value, str) and value != "",
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "date": isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None,
    }
    return value if fits[FIELDS[field]] else None


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": operator.eq,
    "contains": operator.contains,
    "starts_with": str.startswith,
    "in": lambda value, given: value in given,
    "greater": operator.gt,
    "after": operator.gt,
    "greater_or_equal": operator.ge,
    "on_or_after": operator.ge,
    "less": operator.lt,
    "before": operator.lt,
    "less_or_equal": operator.le,
    "on_or_before": operator.le,
    "between": lambda value, given: given[0] <= value <= given[1],
    "in_last_days": lambda value, count: str(TODAY - timedelta(days=count)) < value <= str(TODAY),
}


def holds(node: dict[str, Any], customer: dict[str, Any]) -> bool:
    if "field" not in node:
        [(joiner, nodes)] = node.items()
        return {"all": all, "any": any}[joiner](holds(inner, customer) for inner in nodes)
    if positive := POSITIVE.get(node["operator"]):
        return not holds(node | {"operator": positive}, customer)
    value = known(customer, node["field"])
    if value is None or node["operator"] == "is_set":
        return value is not None
    return COMPARISONS[node["operator"]](
        folded(value, node["field"]), folded(node.get("value"), node["field"])
    )


def folded(value: Any, field: str) -> Any:
    """Texts compare without regard to case, external ids with."""
    if isinstance(value, list):
        return [folded(item, field) for item in value]
    return value.lower() if isinstance(value, str) and field != "external_id" else value


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory(time_zone=ZONE)
    for field, type_ in FIELDS.items():
        if field.startswith("attributes."):
            name = field.removeprefix("attributes.")
            AttributeFactory(workspace=workspace, name=name, type=Attribute.Type(type_))
    return workspace


def test_every_operator_is_tried_below(workspace: Workspace) -> None:
    by_name = {field.name: field for field in segments.fields(workspace)}
    for field in FIELDS:
        assert sorted(by_name[field].operators) == sorted(operators(field))


def sql_agrees(workspace: Workspace, people: list[dict[str, Any]], criteria: dict[str, Any]) -> None:
    with transaction.atomic():
        rows = Customer.objects.bulk_create([Customer(workspace=workspace, **person) for person in people])
        for row, person in zip(rows, people, strict=True):
            row.created_at = person["created_at"]
        Customer.objects.bulk_update(rows, ["created_at"])
        found = segments.matching(workspace, criteria, NOW).values_list("email", flat=True)
        assert sorted(found) == sorted(person["email"] for person in people if holds(criteria, person))
        transaction.set_rollback(True)


@pytest.mark.parametrize("field", FIELDS)
def test_sql_and_a_plain_reading_of_one_rule_agree(workspace: Workspace, field: str) -> None:
    @settings(max_examples=80, deadline=None)
    @given(several_people, st.fixed_dictionaries({"all": st.lists(rules(field), min_size=1, max_size=1)}))
    def agree(people: list[dict[str, Any]], criteria: dict[str, Any]) -> None:
        sql_agrees(workspace, people, criteria)

    agree()


def test_sql_and_a_plain_reading_of_a_tree_agree(workspace: Workspace) -> None:
    @settings(max_examples=150, deadline=None)
    @given(several_people, trees)
    def agree(people: list[dict[str, Any]], criteria: dict[str, Any]) -> None:
        sql_agrees(workspace, people, criteria)

    agree()
