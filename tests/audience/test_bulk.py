from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audience import bulk, consent
from audience.bulk import Refused, Stored
from audience.models import ConsentRecord, Customer, Suppression, Workspace
from audience.suppression import suppress
from tests.factories import AttributeFactory, CustomerFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
NOTE = "Box at check-out"


def upsert(*rows: dict[str, Any], note: str = NOTE, workspace: Workspace | None = None) -> Any:
    return bulk.upsert(workspace or WorkspaceFactory(), rows, consent_note=note, actor=UserFactory())


def test_rows_create_and_change_customers_by_address() -> None:
    known = CustomerFactory(email="ada@example.com", name="Ada", phone="1")
    AttributeFactory(name="orders", type="number")
    changed, created = upsert(
        {"email": "ADA@example.com", "name": "Ada King", "attributes": {"orders": 3}},
        {"email": "bob@example.com", "language": "de_AT"},
    )
    assert (changed.customer_id, changed.is_new, created.is_new) == (known.pk, False, True)
    known.refresh_from_db()
    assert (known.name, known.phone, known.attributes) == ("Ada King", "1", {"orders": 3})
    assert Customer.objects.get(pk=created.customer_id).language == "de-AT"


def test_a_row_that_is_wrong_stops_no_other_and_says_all_that_is_wrong() -> None:
    refused, stored = upsert(
        {"email": "nobody", "time_zone": "Mars", "attributes": {"orders": 1}}, {"email": "ada@example.com"}
    )
    assert isinstance(refused, Refused) and isinstance(stored, Stored)
    assert [field for field, _ in refused.problems] == ["email", "time_zone", "attributes"]
    assert list(Customer.objects.values_list("email", flat=True)) == ["ada@example.com"]


def test_an_opt_in_is_recorded_with_its_evidence_and_who_it_was() -> None:
    actor = UserFactory()
    row = {"email": "ada@example.com", "subscribed": True}
    [stored] = bulk.upsert(WorkspaceFactory(), [row], consent_note=NOTE, actor=actor)
    assert stored.subscribed
    record = ConsentRecord.objects.get()
    assert (record.granted, record.source, record.evidence) == (True, "api", NOTE)
    assert (record.actor, record.customer_id) == (actor, stored.customer_id)


def test_an_opt_in_without_evidence_is_refused() -> None:
    [refused] = upsert({"email": "ada@example.com", "subscribed": True}, note=" ")
    assert [field for field, _ in refused.problems] == ["subscribed"]
    assert not Customer.objects.exists()


def test_nobody_who_is_suppressed_or_has_withdrawn_is_opted_in_again() -> None:
    gone = CustomerFactory(email="gone@example.com", subscribed=True)
    consent.unsubscribe(gone, channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.LINK)
    suppress(gone.workspace, "bounced@example.com", Suppression.Reason.HARD_BOUNCE)
    emails = ("gone@example.com", "bounced@example.com")
    results = upsert(*({"email": email, "subscribed": True} for email in emails))
    assert [row.subscribed for row in results] == [False, False]
    assert Suppression.objects.count() == 2


def test_two_rows_of_one_address_are_as_if_written_one_after_the_other() -> None:
    first, second = upsert(
        {"email": "ada@example.com", "name": "A", "phone": "1"}, {"email": "Ada@example.com", "name": "B"}
    )
    assert first == second
    customer = Customer.objects.get()
    assert (customer.name, customer.phone) == ("B", "1")


def test_a_second_call_changes_nothing() -> None:
    row = {"email": "ada@example.com", "name": "Ada", "subscribed": True}
    upsert(row)
    before = Customer.objects.values().get()
    [stored] = upsert(row)
    assert not stored.is_new and Customer.objects.values().get() == before
    assert ConsentRecord.objects.count() == 1


def test_the_number_of_statements_does_not_grow_with_the_rows() -> None:
    def statements(rows: int) -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            upsert(*({"email": f"c{rows}-{n}@example.com", "subscribed": True} for n in range(rows)))
        return len([query for query in seen if "INSERT INTO chunk" not in query["sql"]])

    statements(1)
    assert statements(300) == statements(2)
