"""Asking who is in the audience: the whole question, on the sample data and across workspaces."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audience import segments
from audience.models import Attribute, Customer, Workspace
from audience.segments import InvalidCriteria, queries
from tests.factories import AttributeFactory, CustomerFactory, SegmentFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

SAMPLE = Path(settings.BASE_DIR) / "campaigns/sample/cdnow_customers.csv"
NUMBERS = {"orders": int, "items": int, "total_spent": float}
LOYAL_OR_BIG = {
    "any": [
        {
            "all": [
                {"field": "attributes.orders", "operator": "greater_or_equal", "value": 3},
                {"field": "attributes.last_order", "operator": "on_or_after", "value": "1998-01-01"},
            ]
        },
        {"field": "attributes.total_spent", "operator": "greater_or_equal", "value": 500},
    ]
}
HAS_ORDERS = {"all": [{"field": "attributes.orders", "operator": "is_set"}]}


@pytest.fixture
def workspace() -> Workspace:
    """With the attributes of the sample data."""
    workspace: Workspace = WorkspaceFactory()
    for name in NUMBERS:
        AttributeFactory(workspace=workspace, name=name, type=Attribute.Type.NUMBER)
    for name in ("first_order", "last_order"):
        AttributeFactory(workspace=workspace, name=name, type=Attribute.Type.DATE)
    return workspace


def load_sample(workspace: Workspace) -> None:
    with SAMPLE.open(newline="") as file:
        rows = [
            Customer(
                workspace=workspace,
                email=row["email"],
                attributes={
                    "first_order": row["first_order"],
                    "last_order": row["last_order"],
                    **{name: number(row[name]) for name, number in NUMBERS.items()},
                },
            )
            for row in csv.DictReader(file)
        ]
    Customer.objects.bulk_create(rows, batch_size=5_000)


def test_the_sample_rule_matches_4746_of_the_sample_customers(workspace: Workspace) -> None:
    load_sample(workspace)
    assert Customer.objects.of(workspace).count() == 23_570
    assert segments.count(workspace, LOYAL_OR_BIG) == 4_746


def test_a_segment_is_one_query_that_can_stand_inside_another(workspace: Workspace) -> None:
    ids = [CustomerFactory(attributes={"orders": orders}).pk for orders in (1, 2, 3)]
    matching = segments.matching(workspace, HAS_ORDERS).filter(id__gt=ids[0], id__lte=ids[2])
    sql, params = matching.values("id").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM audience_customer WHERE id IN ({sql}) ORDER BY id", params)  # noqa: S608
        assert [row[0] for row in cursor.fetchall()] == ids[1:]


def test_a_condition_can_be_combined_with_others(workspace: Workspace) -> None:
    few, many = (CustomerFactory(attributes={"orders": orders}) for orders in (1, 9))
    condition = segments.compile_criteria(workspace, LOYAL_OR_BIG | {"any": [HAS_ORDERS]})
    assert set(Customer.objects.filter(condition)) == {few, many}
    assert set(Customer.objects.filter(condition, pk=many.pk)) == {many}


def test_a_stored_segment_finds_its_customers(workspace: Workspace) -> None:
    member = CustomerFactory(attributes={"total_spent": 500})
    CustomerFactory(attributes={"total_spent": 499.99})
    assert list(segments.customers_in(SegmentFactory(criteria=LOYAL_OR_BIG))) == [member]


def test_customers_of_another_workspace_are_never_found(workspace: Workspace) -> None:
    other = WorkspaceFactory(slug="other")
    AttributeFactory(workspace=other, name="orders")
    CustomerFactory(workspace=other, attributes={"orders": 3})
    assert segments.count(workspace, HAS_ORDERS) == 0
    assert segments.sample(workspace, HAS_ORDERS) == []
    assert segments.count(other, HAS_ORDERS) == 1


def test_attributes_of_another_workspace_do_not_exist(workspace: Workspace) -> None:
    AttributeFactory(workspace=WorkspaceFactory(slug="other"), name="secret")
    with pytest.raises(InvalidCriteria, match="no field 'attributes.secret'"):
        segments.count(workspace, {"all": [{"field": "attributes.secret", "operator": "is_set"}]})


def test_a_sample_is_of_matching_customers_and_of_the_size_asked_for(workspace: Workspace) -> None:
    matching = {CustomerFactory(attributes={"orders": 1}).pk for _ in range(8)}
    CustomerFactory.create_batch(8)
    for _ in range(20):
        picked = [customer.pk for customer in segments.sample(workspace, HAS_ORDERS, size=5)]
        assert len(set(picked)) == len(picked) == 5
        assert set(picked) <= matching


@pytest.mark.parametrize("nearby", [1, 3, 100])
def test_a_sample_goes_on_where_too_few_are_near(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, nearby: int
) -> None:
    monkeypatch.setattr(queries, "NEARBY", nearby)
    matching = [
        CustomerFactory(workspace=workspace, attributes={"orders": 1} if number % 2 else {}).pk
        for number in range(16)
    ][1::2]
    for size in (1, 4, 8, 20):
        picked = [customer.pk for customer in segments.sample(workspace, HAS_ORDERS, size=size)]
        assert len(set(picked)) == len(picked) == min(size, 8)
        assert set(picked) <= set(matching)


def test_a_sample_larger_than_the_segment_is_all_of_it_once(workspace: Workspace) -> None:
    matching = {CustomerFactory(attributes={"orders": 1}).pk for _ in range(8)}
    for _ in range(5):
        assert sorted(customer.pk for customer in segments.sample(workspace, HAS_ORDERS)) == sorted(matching)


def test_a_sample_of_an_empty_workspace_is_empty(workspace: Workspace) -> None:
    assert segments.sample(workspace, HAS_ORDERS) == []


def test_days_are_those_of_the_workspace(workspace: Workspace) -> None:
    workspace.time_zone = "Pacific/Auckland"
    late = CustomerFactory()
    # 11:30 UTC on the 9th is half past midnight on the 10th in Auckland.
    Customer.objects.filter(pk=late.pk).update(created_at=datetime(2024, 3, 9, 11, 30, tzinfo=UTC))
    on_the_10th = {"all": [{"field": "created_at", "operator": "equals", "value": "2024-03-10"}]}
    assert list(segments.matching(workspace, on_the_10th)) == [late]
    today = {"all": [{"field": "created_at", "operator": "in_last_days", "value": 1}]}
    before_midnight, after_midnight = (datetime(2024, 3, 9, hour, tzinfo=UTC) for hour in (10, 12))
    assert not segments.matching(workspace, today, now=before_midnight).exists()
    assert segments.matching(workspace, today, now=after_midnight).exists()


def test_a_segment_in_words_reads_as_a_sentence(workspace: Workspace) -> None:
    assert segments.describe(workspace, LOYAL_OR_BIG) == (
        "(orders ≥ 3 and last_order on or after 1998-01-01) or total_spent ≥ 500"
    )


@pytest.mark.parametrize(
    ("field", "operator", "value", "words"),
    [
        ("name", "starts_with", "An", 'name starts with "An"'),
        ("attributes.orders", "between", [1, 2.5], "orders between 1 and 2.5"),
        ("attributes.orders", "in", [1, 2, 3, 4, 5, 6, 7], "orders is one of 1, 2, 3, 4, 5 and 2 more"),
        ("attributes.last_order", "in_last_days", 30, "last_order in the last 30 days"),
        ("attributes.last_order", "is_not_set", None, "last_order is not set"),
        ("subscribed", "equals", False, "e-mail opt-in is no"),
    ],
)
def test_a_rule_in_words(workspace: Workspace, field: str, operator: str, value: object, words: str) -> None:
    rule = {"field": field, "operator": operator, "value": value}
    assert segments.describe(workspace, {"all": [rule]}) == words


def test_many_segments_are_described_with_one_query(workspace: Workspace) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        known = segments.fields(workspace)
        for _ in range(10):
            segments.describe(workspace, LOYAL_OR_BIG, known)
    assert len(queries) == 1


def test_fields_say_what_may_be_asked(workspace: Workspace) -> None:
    by_name = {field.name: field for field in segments.fields(workspace)}
    assert {"email", "created_at", "attributes.orders", "engagement.opened"} <= by_name.keys()
    orders = by_name["attributes.orders"]
    assert (orders.label, orders.type) == ("orders", "number")
    assert orders.operators["between"].takes.name == "two of number"
    assert "contains" not in orders.operators
    assert "is_set" not in by_name["email"].operators


def test_a_field_is_registered_once() -> None:
    for name in ("email", "engagement.opened"):
        with pytest.raises(ValueError, match="registered already"):
            segments.register(segments.Field(name, name, "text", {}))
