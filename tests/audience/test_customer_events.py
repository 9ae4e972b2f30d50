from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audience import customer_events
from audience.customer_events import Happening, ingest
from audience.models import CustomerEvent
from tests.factories import CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


def order(key: str, **more: Any) -> Happening:
    return Happening("order_placed", key, **({"email": "ada@example.com"} | more))


def test_events_are_kept_once_with_their_properties() -> None:
    ada = CustomerFactory(email="ada@example.com", external_id="A7")
    happened = timezone.now() - timedelta(days=3)
    reports = [
        order("o1", properties={"total": 9.5, "gift": True}, at=happened),
        order("o1"),
        order("o2", email="", external_id="A7"),
    ]
    taken = ingest(ada.workspace, reports)
    assert (taken.new, taken.repeated, taken.unknown) == (2, 1, 0)
    again = ingest(ada.workspace, reports)
    assert (again.new, again.repeated) == (0, 3)
    first = CustomerEvent.objects.get(key="o1")
    assert (first.customer_id, first.properties, first.at) == (ada.pk, {"total": 9.5, "gift": True}, happened)
    assert CustomerEvent.objects.get(key="o2").customer_id == ada.pk


def test_event_about_nobody_of_the_workspace_is_counted_and_not_kept() -> None:
    CustomerFactory(email="ada@example.com", workspace=WorkspaceFactory(slug="other"))
    taken = ingest(WorkspaceFactory(), [order("o1"), order("o2", email="", external_id="A7")])
    assert (taken.new, taken.unknown) == (0, 2)
    assert not CustomerEvent.objects.exists()


@pytest.mark.parametrize(
    ("happening", "says"),
    [
        (Happening("Order placed", "o", email="ada@example.com"), "write it like order_placed"),
        (order(""), "needs a key of its own"),
        (order("o" * 101), "needs a key of its own"),
        (order("o", email=""), "Say whose event it is"),
        (order("o", email="nobody"), "is no e-mail address"),
        (order("o", at=timezone.now() + timedelta(hours=1)), "must not lie ahead"),
        (order("o", properties={"Total": 1}), "cannot be named so"),
        (order("o", properties={"total": [1]}), "must be a text, a number, true or false"),
        (order("o", properties={"total": float("nan")}), "finite"),
        (order("o", properties={"note": "x" * 9000}), "are kept"),
    ],
)
def test_what_is_malformed_is_said_by_its_place_and_the_rest_is_kept(happening: Happening, says: str) -> None:
    ada = CustomerFactory(email="ada@example.com")
    taken = ingest(ada.workspace, [order("fine"), happening])
    assert taken.new == 1
    assert list(taken.errors) == [1] and says in taken.errors[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer.")
def test_who_asks_how_far_events_go_waits_for_those_who_are_writing() -> None:
    workspace = CustomerFactory(email="ada@example.com").workspace
    found: list[int] = []

    def ask() -> None:
        found.append(customer_events.settled_until(workspace.pk))
        connection.close()

    asking = threading.Thread(target=ask)
    with transaction.atomic():
        ingest(workspace, [order("o1")])
        asking.start()
        asking.join(0.3)
        assert found == []
    asking.join()
    assert found == [CustomerEvent.objects.get().pk]
