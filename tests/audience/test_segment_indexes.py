"""The indexes behind rules about attributes: they come and go with the segments that ask."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from audience import segments
from audience.models import Attribute, Segment, Workspace
from audience.segments import indexes
from tests.factories import AttributeFactory, CustomerFactory, SegmentFactory, WorkspaceFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's only"),
]

RULES: dict[str, tuple[Attribute.Type, str, Any]] = {
    "plan": (Attribute.Type.TEXT, "equals", "Pro"),
    "orders": (Attribute.Type.NUMBER, "between", [3, 9]),
    "last_order": (Attribute.Type.DATE, "on_or_after", "1998-01-01"),
    "vip": (Attribute.Type.BOOLEAN, "equals", True),
}


def rule(name: str) -> dict[str, Any]:
    _, operator, value = RULES[name]
    return {"field": f"attributes.{name}", "operator": operator, "value": value}


def asks_about(*names: str, **columns: Any) -> Segment:
    segment: Segment = SegmentFactory(criteria={"all": [{"any": [rule(name) for name in names]}]}, **columns)
    for name in names:
        AttributeFactory(workspace=segment.workspace, name=name, type=RULES[name][0])
    return segment


def existing() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [indexes.TABLE])
        return sorted(name for (name,) in cursor if name.startswith(indexes.PREFIX))


@pytest.fixture(autouse=True)
def without_indexes() -> Any:
    yield
    Segment.objects.all().delete()
    segments.keep_indexes()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_of_each_type_is_answered_by_its_index(name: str) -> None:
    segment = asks_about(name)
    CustomerFactory(attributes={"plan": "pro", "orders": 4, "last_order": "1998-02-01", "vip": True})
    [made] = segments.keep_indexes()
    query = segments.customers_in(segment)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        # Stands in the way on a table of one row; the index in question holds the same rows.
        cursor.execute("DROP INDEX customer_page")
        plan = query.explain()
        transaction.set_rollback(True)
    assert made in plan and "Filter: (attributes" not in plan
    assert f"segment_{RULES[name][0]}_{name}" in plan
    assert query.count() == 1


def test_only_what_saved_segments_ask_about_is_indexed() -> None:
    AttributeFactory(name="shoe_size")
    asks_about("orders", "plan")
    # The name is known in another workspace only.
    SegmentFactory(workspace=WorkspaceFactory(slug="other"), criteria={"all": [rule("vip")]})
    assert len(segments.keep_indexes()) == 2
    assert segments.keep_indexes() == []
    assert [name[: name.rindex("_")] for name in existing()] == ["segment_number_orders", "segment_text_plan"]


def test_one_index_serves_all_workspaces() -> None:
    asks_about("orders")
    asks_about("orders", workspace=WorkspaceFactory(slug="other"))
    assert len(segments.keep_indexes()) == 1


def test_an_index_that_no_segment_needs_any_more_is_dropped() -> None:
    segment = asks_about("orders", "vip")
    segments.keep_indexes()
    Segment.objects.filter(pk=segment.pk).update(criteria={"all": [rule("vip")]})
    assert segments.keep_indexes() == []
    [left] = existing()
    assert left.startswith("segment_boolean_vip")


def test_an_index_whose_making_was_cut_short_is_made_anew() -> None:
    asks_about("orders")
    [name] = segments.keep_indexes()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [name])
    assert segments.keep_indexes() == [name]


def test_the_attributes_asked_for_most_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "MOST", 1)
    asks_about("orders")
    for _ in range(2):
        asks_about("vip")
    [made] = segments.keep_indexes()
    assert made.startswith("segment_boolean_vip")


def test_names_of_any_length_are_told_apart() -> None:
    segment = SegmentFactory()
    names = ["a" * 62 + end for end in "bc"]
    for name in names:
        AttributeFactory(workspace=segment.workspace, name=name)
    criteria = {"all": [rule("orders") | {"field": f"attributes.{name}"} for name in names]}
    Segment.objects.update(criteria=criteria)
    assert len(set(segments.keep_indexes())) == 2 == len(existing())


def test_while_one_process_is_at_it_another_does_nothing() -> None:
    asks_about("orders")
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [indexes.LOCK])
            assert segments.keep_indexes() == []
            # A connection that is closed keeps its locks for a moment.
            cursor.execute("SELECT pg_advisory_unlock(%s)", [indexes.LOCK])
        assert len(segments.keep_indexes()) == 1
    finally:
        other.close()


def test_what_is_in_the_way_for_long_is_left_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asks_about("orders")
    monkeypatch.setattr(indexes, "PATIENCE", "50ms")
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE audience_customer IN SHARE UPDATE EXCLUSIVE MODE")
        assert segments.keep_indexes() == []
    finally:
        other.close()
    assert len(segments.keep_indexes()) == 1


def test_criteria_that_make_no_sense_do_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    for criteria in ([], {"all": [None, {"field": 3}, {"field": "attributes."}]}, "attributes.orders", 7):
        SegmentFactory(criteria=criteria)
    call_command("keep_segment_indexes")
    assert capsys.readouterr().out == "Nothing to make.\n"


def test_a_workspaces_own_attribute_decides_the_type() -> None:
    workspace: Workspace = WorkspaceFactory(slug="other")
    AttributeFactory(workspace=workspace, name="orders", type=Attribute.Type.TEXT)
    asks_about("orders")
    [made] = segments.keep_indexes()
    assert made.startswith("segment_number_orders")
