"""Consent in imports: nobody who is suppressed or has withdrawn is opted in again."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from audience import consent, imports
from audience.consent import Channel, Source
from audience.models import ConsentRecord, Customer, CustomerImport, Suppression, Workspace
from tests.audience.imports.conftest import TakeIn
from tests.factories import CustomerFactory, SuppressionFactory, WorkspaceFactory

JO = "email\njo@example.com\n"


def _unsubscribe(customer: Customer, channel: Channel = Channel.EMAIL) -> None:
    consent.unsubscribe(customer, channel=channel, source=Source.LINK)


def _jo() -> Customer:
    jo: Customer = Customer.objects.get(email="jo@example.com", workspace__slug="acme")
    return jo


def _records() -> list[tuple[str, bool]]:
    return list(ConsentRecord.objects.order_by("id").values_list("channel", "granted"))


def test_new_people_are_opted_in_only_when_the_import_says_so(take_in: TakeIn) -> None:
    take_in(JO)
    assert (_jo().subscribed, _records()) == (False, [])


def test_an_opt_in_keeps_its_evidence(take_in: TakeIn) -> None:
    done = take_in(JO, subscribe=True, consent_note="shop, box ticked")
    record = ConsentRecord.objects.get()
    assert _jo().subscribed
    assert (record.customer, record.email, record.granted) == (_jo(), "jo@example.com", True)
    assert (record.source, record.evidence) == (Source.IMPORT, "shop, box ticked")
    assert (record.customer_import, record.workspace) == (done, done.workspace)


def test_one_who_was_never_asked_is_opted_in(take_in: TakeIn) -> None:
    CustomerFactory(email="jo@example.com", subscribed=False)
    done = take_in(JO, subscribe=True)
    assert (_jo().subscribed, _records(), done.kept_out) == (True, [("email", True)], 0)


def test_importing_again_records_nothing_new(take_in: TakeIn) -> None:
    for _ in range(2):
        take_in(JO, subscribe=True)
    assert _records() == [("email", True)]


def test_one_who_unsubscribed_stays_out(take_in: TakeIn) -> None:
    _unsubscribe(CustomerFactory(email="jo@example.com"))
    done = take_in("email,subscribed\nJo@Example.com,yes\n", subscribe=True)
    assert (_jo().subscribed, done.updated, done.kept_out) == (False, 1, 1)
    assert _records() == [("email", False)]


def test_a_withdrawal_holds_when_the_suppression_is_gone(take_in: TakeIn) -> None:
    _unsubscribe(CustomerFactory(email="jo@example.com"))
    Suppression.objects.all().delete()
    assert take_in(JO, subscribe=True).kept_out == 1
    assert not _jo().subscribed


def test_a_withdrawal_outlives_the_customer(take_in: TakeIn) -> None:
    customer = CustomerFactory(email="jo@example.com")
    _unsubscribe(customer)
    Suppression.objects.all().delete()
    customer.delete()
    assert take_in(JO, subscribe=True).kept_out == 1
    assert not _jo().subscribed


@pytest.mark.parametrize("reason", Suppression.Reason.values)
def test_a_new_customer_whose_address_is_suppressed_is_not_opted_in(take_in: TakeIn, reason: str) -> None:
    SuppressionFactory(email="jo@example.com", reason=reason)
    done = take_in(JO, subscribe=True)
    assert (done.created, done.kept_out, _records()) == (1, 1, [])
    assert not _jo().subscribed


@pytest.mark.parametrize("reason", Suppression.Reason.values)
def test_a_known_customer_whose_address_is_suppressed_is_not_opted_in(take_in: TakeIn, reason: str) -> None:
    CustomerFactory(email="jo@example.com", subscribed=False)
    SuppressionFactory(email="jo@example.com", reason=reason)
    assert take_in(JO, subscribe=True).kept_out == 1
    assert not _jo().subscribed


def test_what_another_workspace_knows_of_an_address_does_not_count(take_in: TakeIn) -> None:
    other = WorkspaceFactory(slug="other")
    _unsubscribe(CustomerFactory(workspace=other, email="jo@example.com"))
    done = take_in(JO, subscribe=True)
    assert (done.kept_out, _jo().subscribed) == (0, True)
    assert not Customer.objects.get(workspace=other).subscribed


def test_one_who_opted_in_again_in_person_is_not_counted_as_kept_out(take_in: TakeIn) -> None:
    customer = CustomerFactory(email="jo@example.com")
    _unsubscribe(customer)
    consent.subscribe(customer, channel=Channel.EMAIL, source=Source.LINK)
    done = take_in(JO, subscribe=True)
    assert (done.kept_out, _jo().subscribed) == (0, True)


def test_a_no_in_the_file_opts_out_and_stays(take_in: TakeIn) -> None:
    CustomerFactory(email="jo@example.com", subscribed=True)
    for _ in range(2):
        take_in("email,subscribed\njo@example.com,no\n")
    assert (_jo().subscribed, _records()) == (False, [("email", False)])
    assert take_in(JO, subscribe=True).kept_out == 1
    assert not _jo().subscribed


def test_a_no_for_someone_new_is_remembered(take_in: TakeIn) -> None:
    take_in("email,subscribed\njo@example.com,no\n", subscribe=True)
    assert (_jo().subscribed, _records()) == (False, [("email", False)])


def test_an_empty_cell_says_nothing(take_in: TakeIn) -> None:
    CustomerFactory(email="jo@example.com", subscribed=True)
    take_in("email,subscribed,sms_subscribed,name\njo@example.com,,,Jo\n")
    assert (_jo().subscribed, _records()) == (True, [])


def test_sms_has_a_consent_of_its_own(take_in: TakeIn) -> None:
    _unsubscribe(CustomerFactory(email="jo@example.com"), Channel.SMS)
    SuppressionFactory(email="al@example.com")
    done = take_in(
        "email,subscribed,sms_subscribed\njo@example.com,yes,yes\nal@example.com,,yes\nbo@example.com,no,yes\n"
    )
    flags = {one.email: (one.subscribed, one.sms_subscribed) for one in Customer.objects.all()}
    assert flags == {
        "jo@example.com": (True, False),
        "al@example.com": (False, True),
        "bo@example.com": (False, True),
    }
    assert done.kept_out == 1


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("answers", ["yes,no", "no,yes", "yes,,no", "no,,yes"])
def test_a_no_wins_over_a_yes_in_the_same_file(take_in: TakeIn, answers: str) -> None:
    rows = "".join(f"jo@example.com,{answer}\n" for answer in answers.split(","))
    take_in("email,subscribed\n" + rows)
    assert not _jo().subscribed


def test_every_row_of_a_person_who_is_kept_out_counts(take_in: TakeIn) -> None:
    SuppressionFactory(email="jo@example.com")
    assert take_in(JO + "JO@example.com\nal@example.com\n", subscribe=True).kept_out == 2


def test_the_database_is_asked_a_fixed_number_of_times(
    create: TakeIn, django_assert_max_num_queries: Any
) -> None:
    stored = create("email\n" + "".join(f"c{n}@example.com\n" for n in range(500)), subscribe=True)
    with django_assert_max_num_queries(25):
        imports.run(stored)
    assert Customer.objects.filter(subscribed=True).count() == 500


def _is_blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.usefixtures("transactional_db")
def test_an_unsubscribe_that_commits_while_the_import_waits_for_it_holds(
    create: TakeIn, workspace: Workspace
) -> None:
    customer = CustomerFactory(workspace=workspace, email="jo@example.com", subscribed=False)
    stored = create(JO, subscribe=True)

    def work() -> None:
        imports.run(CustomerImport.objects.get(pk=stored.pk))
        connection.close()

    runner = threading.Thread(target=work)
    with transaction.atomic():
        _unsubscribe(customer)
        runner.start()
        while connection.vendor == "postgresql" and runner.is_alive() and not _is_blocked():
            pass
    runner.join()
    stored.refresh_from_db()
    assert (_jo().subscribed, stored.kept_out) == (False, 1)
