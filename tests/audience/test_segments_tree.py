"""Criteria come from people and the API: what is not on the list is refused, with a way forward."""

from __future__ import annotations

from typing import Any

import pytest

from audience import segments
from audience.models import Attribute, Workspace
from audience.segments import InvalidCriteria
from tests.factories import AttributeFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

ATTRIBUTES = {"orders": "number", "last_order": "date", "plan": "text", "vip": "boolean"}


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory()
    for name, type_ in ATTRIBUTES.items():
        AttributeFactory(workspace=workspace, name=name, type=Attribute.Type(type_))
    return workspace


def rule(field: Any = "attributes.orders", operator: Any = "equals", value: Any = 1) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def refusal(workspace: Workspace, criteria: object) -> str:
    with pytest.raises(InvalidCriteria) as refused:
        segments.validate(workspace, criteria)
    return str(refused.value)


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        [],
        None,
        "all",
        7,
        rule(),
        {"all": []},
        {"any": {}},
        {"all": None},
        {"all": [rule()], "any": [rule()]},
        {"all": [rule()], "comment": ""},
        {"not": [rule()]},
        {"all": [{"any": []}]},
    ],
)
def test_what_is_no_group_is_refused(workspace: Workspace, criteria: object) -> None:
    assert "all" in refusal(workspace, criteria)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "orders",
        {"field": "email"},
        {"operator": "is_set"},
        {"field": "email", "operator": "equals", "value": "a", "sql": "1=1"},
        {"field": "email", "operator": "equals", "value": "a", "all": [rule()]},
    ],
)
def test_what_is_no_rule_is_refused(workspace: Workspace, raw: object) -> None:
    assert refusal(workspace, {"all": [rule(), raw]}).startswith("rule 2: a rule is")


@pytest.mark.parametrize(
    "field",
    [
        "password",
        "id",
        "workspace",
        "workspace__name",
        "email__contains",
        "attributes",
        "attributes.",
        "attributes.unknown",
        "attributes.orders.x",
        "attributes__orders",
        "attributes.orders'--",
        "engagement.forgotten",
        "",
        None,
        7,
        ["email"],
        {"email": 1},
    ],
)
def test_only_listed_fields_may_be_asked_about(workspace: Workspace, field: object) -> None:
    message = refusal(workspace, {"all": [rule(field)]})
    assert message.startswith("rule 1: there is no field")
    assert "attributes.orders" in message


@pytest.mark.parametrize("operator", ["gte", "exact", "contains", "before", "regex", "", None, ["equals"]])
def test_only_operators_of_the_type_may_be_used(workspace: Workspace, operator: object) -> None:
    message = refusal(workspace, {"all": [rule(operator=operator)]})
    assert message.startswith("rule 1: attributes.orders has no operator")
    assert "greater_or_equal" in message


@pytest.mark.parametrize(
    ("field", "operator", "value", "complaint"),
    [
        ("attributes.orders", "equals", True, "needs a number such as 3 or 49.5, not true"),
        ("attributes.orders", "equals", "3", "not '3'"),
        ("attributes.orders", "equals", None, "not nothing"),
        ("attributes.orders", "equals", float("nan"), "between -10^15 and 10^15"),
        ("attributes.orders", "equals", float("-inf"), "between -10^15 and 10^15"),
        ("attributes.orders", "equals", 10**16, "between -10^15 and 10^15"),
        ("attributes.orders", "between", [3], "two values"),
        ("attributes.orders", "between", [3, 1], "lower value first, not 3, 1"),
        ("attributes.orders", "between", [True, 3], "needs a number"),
        ("attributes.orders", "in", [], "needs a list"),
        ("attributes.orders", "in", "123", "needs a list"),
        ("attributes.orders", "in", [1, [2]], "not a list"),
        ("attributes.orders", "in", list(range(1_001)), "at most 1,000 values, not 1,001"),
        ("attributes.orders", "is_set", 1, "takes no value"),
        ("attributes.plan", "equals", "", "needs a text"),
        ("attributes.plan", "equals", 3, "needs a text"),
        ("attributes.plan", "equals", {"a": 1}, "not an object"),
        ("attributes.plan", "contains", "x" * 501, "at most 500 characters, not 501"),
        ("attributes.plan", "contains", "a\0b", "NUL"),
        ("attributes.plan", "contains", "\ud800", "surrogate"),
        ("attributes.plan", "in", ["ok", "\0"], "NUL"),
        ("attributes.last_order", "before", "1998-02-30", "a date that exists, not 1998-02-30"),
        ("attributes.last_order", "before", "1.2.1998", "YYYY-MM-DD, not '1.2.1998'"),
        ("attributes.last_order", "before", "19980201", "YYYY-MM-DD"),
        ("attributes.last_order", "before", "１９９８-02-01", "YYYY-MM-DD"),
        ("attributes.last_order", "before", 19980201, "YYYY-MM-DD"),
        ("attributes.last_order", "before", "0001-01-01", "between 1800-01-01 and 2999-12-31"),
        ("attributes.last_order", "after", "9999-12-31", "between 1800-01-01 and 2999-12-31"),
        ("attributes.last_order", "between", ["1998-02-02", "1998-02-01"], "lower value first"),
        ("attributes.last_order", "in_last_days", 0, "from 1 to 36,500, not 0"),
        ("attributes.last_order", "in_last_days", True, "whole number of days"),
        ("attributes.last_order", "in_last_days", 7.5, "whole number of days"),
        ("attributes.last_order", "in_last_days", 10**30, "not a number that long"),
        ("attributes.vip", "equals", 1, "needs true or false, not 1"),
        ("attributes.vip", "equals", "true", "needs true or false"),
        ("engagement.opened", "campaign", True, "needs the id of a campaign"),
        ("engagement.opened", "campaign", "1", "needs the id of a campaign"),
        ("engagement.opened", "campaign", 10**30, "a campaign of this workspace"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    workspace: Workspace, field: str, operator: str, value: object, complaint: str
) -> None:
    message = refusal(workspace, {"all": [rule(field, operator, value)]})
    assert message.startswith(f"rule 1: {field} {operator} ")
    assert complaint in message


def test_a_number_too_long_to_print_is_refused_in_words(workspace: Workspace) -> None:
    for field, operator in (("attributes.orders", "equals"), ("attributes.plan", "equals"), (10**5000, "")):
        assert refusal(workspace, {"all": [rule(field, operator, 10**5000)]}).startswith("rule 1: ")


def test_the_message_says_where_in_the_tree(workspace: Workspace) -> None:
    inner = {"all": [rule(), rule(value="abc")]}
    message = refusal(workspace, {"any": [rule(), {"any": [inner, rule()]}]})
    assert message == (
        "rule 2 of group 1 of group 2: attributes.orders equals needs a number such as 3 or 49.5, not 'abc'."
    )


def nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"all": [rule()]}
    for _ in range(depth - 1):
        tree = {"any": [tree]}
    return tree


def test_groups_may_be_nested_five_deep(workspace: Workspace) -> None:
    segments.validate(workspace, nested(5))
    assert segments.count(workspace, nested(5)) == 0
    assert refusal(workspace, nested(6)).endswith("may be nested 5 deep, not deeper.")
    assert "5 deep" in refusal(workspace, nested(900))


def test_a_segment_has_at_most_200_rules(workspace: Workspace) -> None:
    halves = {"any": [{"all": [rule()] * 100}, {"all": [rule()] * 100}]}
    segments.validate(workspace, halves)
    halves["any"].append(rule())
    assert refusal(workspace, halves) == "A segment may have 200 rules, not more."


@pytest.mark.parametrize("joiner", ["all", "any"])
@pytest.mark.parametrize(
    "longest",
    [
        rule(operator="between", value=[1, 2]),
        rule("attributes.plan", "not_contains", "x"),
        rule("attributes.last_order", "not_in_last_days", 1),
        rule("engagement.opened", "in_last_days", 1),
    ],
)
def test_both_databases_can_evaluate_200_rules(
    workspace: Workspace, joiner: str, longest: dict[str, Any]
) -> None:
    segments.count(workspace, {joiner: [longest] * 200})


def test_the_lists_of_a_segment_are_limited_together(workspace: Workspace) -> None:
    long = rule("attributes.plan", "in", [f"plan {n}" for n in range(1_000)])
    assert segments.count(workspace, {"any": [long] * 10}) == 0
    assert "10,000 values together" in refusal(workspace, {"any": [long] * 11})


def test_texts_are_values_and_never_sql(workspace: Workspace) -> None:
    for text in ("' OR 1=1 --", '"', "\\", "%", "_", "%s", "{}", "$.x", "; DROP TABLE audience_customer"):
        for operator in ("equals", "contains", "starts_with", "not_contains"):
            segments.count(workspace, {"all": [rule("attributes.plan", operator, text)]})


def test_an_attribute_named_like_a_lookup_is_an_attribute(workspace: Workspace) -> None:
    for name in ("contains", "has_key", "isnull", "gte", "id"):
        AttributeFactory(workspace=workspace, name=name, type=Attribute.Type.NUMBER)
        assert segments.count(workspace, {"all": [rule(f"attributes.{name}", "equals", 3)]}) == 0


# --- What is wrong, by its place -------------------------------------------------------------------------


def wrong(workspace: Workspace, criteria: object) -> list[tuple[tuple[int, ...], str]]:
    with pytest.raises(InvalidCriteria) as refused:
        segments.validate(workspace, criteria)
    return [(problem.path, problem.message) for problem in refused.value.problems]


def test_everything_that_is_wrong_is_said_at_once_each_at_its_place(workspace: Workspace) -> None:
    nested = {"any": [rule(value="three"), rule(), {"all": []}, rule("attributes.vip", "equals", None)]}
    assert wrong(workspace, {"all": [rule(""), nested, rule(operator="")]}) == [
        ((0,), "Choose what is asked about."),
        ((1, 0), "Needs a number such as 3 or 49.5, not 'three'."),
        ((1, 2), "Add a rule."),
        ((1, 3), "Choose yes or no."),
        ((2,), "Choose how it is asked."),
    ]


@pytest.mark.parametrize(
    ("field", "operator", "value", "message"),
    [
        ("attributes.plan", "equals", "", "Enter a text."),
        ("attributes.plan", "in", [], "Enter at least one value."),
        ("attributes.orders", "greater", None, "Enter a number."),
        ("attributes.orders", "between", [1, None], "Enter both values."),
        ("attributes.last_order", "after", None, "Choose a date."),
        ("created_at", "in_last_days", None, "Enter how many days."),
        ("attributes.gone", "equals", 1, "There is no field 'attributes.gone'."),
        ("attributes.plan", "greater", 1, "Attributes.plan has no operator 'greater'."),
    ],
)
def test_a_rule_that_is_not_finished_says_what_is_missing(
    workspace: Workspace, field: str, operator: str, value: Any, message: str
) -> None:
    assert wrong(workspace, {"all": [rule(field, operator, value)]}) == [((0,), message)]


def test_what_is_no_group_is_wrong_as_a_whole(workspace: Workspace) -> None:
    assert wrong(workspace, {}) == [((), "Add a rule.")]
    assert wrong(workspace, {"all": []}) == [((), "Add a rule.")]
    [(path, message)] = wrong(workspace, 7)
    assert path == () and "This is 7" in message


def test_a_tree_that_is_wrong_all_over_is_not_read_to_its_end(workspace: Workspace) -> None:
    assert len(wrong(workspace, {"all": [{"all": []}] * 5_000})) == 100
