from __future__ import annotations

from typing import Any

import pytest

from audience.models import CustomerEvent
from tests.api.program import Program, problem
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db


def event(key: str, **more: Any) -> dict[str, Any]:
    return {"name": "order_placed", "key": key, "email": "ada@example.com", **more}


def program_with_ada() -> Program:
    program = Program()
    CustomerFactory(workspace=program.workspace, email="ada@example.com", external_id="C-1")
    return program


def test_events_are_kept_once_and_what_is_wrong_stops_no_other() -> None:
    program = program_with_ada()
    rows = [
        event("1", properties={"total": 49.9}, at="2026-11-01T09:30:00+01:00"),
        event("2", email="", external_id="C-1"),
        event("3", email="nobody@example.com"),
        event("4", colour="red"),
        event("5", name="Order placed"),
        event("1"),
        {"name": "order_placed"},
        event("6", at="2026-11-01T09:30:00"),
        event("7", properties={"when": None}),
    ]
    answer = program.post("/customer-events", {"events": rows}).json()
    counts = [answer[name] for name in ("new", "repeated", "unknown", "refused")]
    assert counts == [2, 1, 1, 5]
    assert [found["row"] for found in answer["errors"]] == [3, 4, 6, 7, 8]
    assert answer["errors"][0]["errors"][0]["field"] == "colour"
    again = program.post("/customer-events", {"events": rows}).json()
    assert (again["new"], again["repeated"]) == (0, 3)
    kept = CustomerEvent.objects.order_by("key")
    assert [(row.key, row.properties) for row in kept] == [("1", {"total": 49.9}), ("2", {})]


def test_a_call_that_is_too_large_or_empty_is_refused_as_a_whole() -> None:
    program = program_with_ada()
    for rows in ([], [event(str(number)) for number in range(1_001)]):
        problem(program.post("/customer-events", {"events": rows}), 422, "refused")
    assert not CustomerEvent.objects.exists()


def test_a_thousand_events_take_as_many_queries_as_one(django_assert_max_num_queries: Any) -> None:
    program = program_with_ada()
    with django_assert_max_num_queries(25):
        rows = [event(str(number)) for number in range(1_000)]
        answer = program.post("/customer-events", {"events": rows}, Idempotency_Key="x").json()
    assert answer["new"] == 1_000


def test_events_are_listed_by_customer_name_and_key() -> None:
    program = program_with_ada()
    program.post("/customer-events", {"events": [event("1"), event("2", name="visited")]})

    def found(query: str) -> list[str]:
        return [row["key"] for row in program.get(f"/customer-events?{query}").json()["items"]]

    customer = CustomerEvent.objects.values_list("customer_id", flat=True)[0]
    assert (found(""), found("name=visited"), found("key=1")) == (["2", "1"], ["2"], ["1"])
    assert (found(f"customer_id={customer}"), found(f"customer_id={customer + 1}")) == (["2", "1"], [])
