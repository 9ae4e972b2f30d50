"""What the operations page and the health endpoint ask of the ledger: right numbers, by index, capped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery import operations
from delivery.models import Circuit, Progress, SendLog
from delivery.operations import Rows, failures, in_hand, queues, retries, senders, unknowns
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory

pytestmark = pytest.mark.django_db
Status = SendLog.Status
Reason = SendLog.Reason


def active(**columns: Any) -> Campaign:
    campaign: Campaign = CampaignFactory(**columns)
    lifecycle.activate(campaign)
    return campaign


def row(campaign: Campaign, sender: Sender | None = None, minutes: float = 0, **columns: Any) -> SendLog:
    """A queued row that has been due for so many minutes."""
    customer = CustomerFactory()
    return SendLog.objects.create(
        workspace=campaign.workspace,
        campaign=campaign,
        customer=customer,
        sender=sender or campaign.senders.first(),
        email=customer.email,
        due_at=timezone.now() - timedelta(minutes=minutes),
        **columns,
    )


def sums(campaign: Campaign, **columns: int) -> None:
    Progress.objects.update_or_create(campaign=campaign, defaults=columns)


# --- What waits --------------------------------------------------------------------------------------


def test_what_waits_is_told_by_sender_and_by_whether_it_is_due() -> None:
    one, two = SenderFactory(name="One"), SenderFactory(name="Two")
    campaign = active(senders=[one, two])
    row(campaign, one, minutes=1)
    row(campaign, one, minutes=7, mailbox_provider="google")
    row(campaign, one, minutes=-60)
    row(campaign, two, minutes=-60)
    row(campaign, two, minutes=1, status=Status.SENT)
    lines = {line.sender.name: line for line in senders(queues())}
    assert (str(lines["One"].due), str(lines["One"].later)) == ("2", "1")
    assert (str(lines["Two"].due), str(lines["Two"].later)) == ("0", "1")
    assert timedelta(minutes=7) <= (lines["One"].age or timedelta()) < timedelta(minutes=9)
    assert (lines["Two"].age or timedelta()) < timedelta()


def test_a_campaign_that_is_not_active_has_nothing_waiting() -> None:
    campaign = active()
    row(campaign)
    lifecycle.pause(campaign)
    assert queues() == []
    assert senders(queues()) == []


def test_senders_with_most_to_do_come_first_and_those_in_trouble_are_shown_without() -> None:
    broken, busy, stopped, _ = (SenderFactory(name=name) for name in ("Broken", "Busy", "Stopped", "Unused"))
    row(active(senders=[busy]), busy)
    Circuit.objects.create(sender=broken, failures=3, retry_at=timezone.now(), error="421 closing")
    lifecycle.pause(active(senders=[stopped]))
    Sender.objects.filter(pk=stopped.pk).update(state=Sender.State.STOPPED)
    assert [line.sender.name for line in senders(queues())] == ["Busy", "Broken", "Stopped"]
    assert [line.circuit.failures for line in senders(queues()) if line.circuit] == [3]


def test_what_will_be_tried_again_is_an_error_of_its_campaign() -> None:
    campaign, other = active(name="Spring"), active()
    row(campaign, minutes=-5, reason=Reason.RETRY)
    row(campaign, minutes=5, reason=Reason.RETRY, mailbox_provider="yahoo")
    row(campaign)
    row(other)
    [found] = retries(queues())
    assert (found.campaign, found.in_words, str(found.rows)) == ("Spring", "Will be tried again", "2")


def test_counting_stops_at_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "LEAST", 3)
    campaign = active()
    for _ in range(5):
        row(campaign)
    [line] = senders(queues(most=0))
    assert line.due == Rows(3, more=True)
    assert str(line.due) == "3+"
    [line] = senders(queues())
    assert str(line.due) == "5"


# --- What is in hand, and what went wrong ------------------------------------------------------------


def test_a_row_whose_lease_has_ended_is_stuck() -> None:
    campaign, now = active(), timezone.now()
    assert in_hand() == operations.InHand(Rows(), 0, None)
    row(campaign, status=Status.SENDING, lease_until=now + timedelta(minutes=1))
    row(campaign, status=Status.SENDING, lease_until=now - timedelta(minutes=3))
    row(campaign, status=Status.SENDING, lease_until=now - timedelta(minutes=2))
    assert in_hand() == operations.InHand(Rows(3), 2, now - timedelta(minutes=3))


def test_unknown_mails_are_listed_by_campaign_newest_first() -> None:
    first, second, without = active(name="First"), active(name="Second"), active()
    sums(first, unknown=2)
    sums(second, unknown=1)
    sums(without, sent=5)
    assert [(sums.campaign.name, sums.unknown) for sums in unknowns()] == [("Second", 1), ("First", 2)]


def test_failures_are_counted_by_reason_in_campaigns_that_run_or_ended_lately() -> None:
    running, ended, long_ago = active(name="Running"), active(name="Ended"), active(name="Long ago")
    for campaign in (running, ended, long_ago):
        row(campaign, status=Status.FAILED, reason=Reason.REFUSED)
        row(campaign, status=Status.SUPPRESSED, reason=Reason.UNSUBSCRIBE)
        sums(campaign, failed=1, suppressed=1)
    row(running, status=Status.FAILED, reason=Reason.REFUSED)
    row(running, status=Status.UNKNOWN, reason=Reason.LOST)
    lifecycle.complete(ended)
    lifecycle.complete(long_ago)
    Campaign.objects.filter(pk=long_ago.pk).update(finished_at=timezone.now() - timedelta(hours=25))
    found = {(failure.campaign, failure.in_words): str(failure.rows) for failure in failures()}
    assert found == {
        ("Running", "Refused for good by the mail server"): "2",
        ("Running", "The worker stopped during hand-over"): "1",
        ("Ended", "Refused for good by the mail server"): "1",
    }


def test_failures_of_one_campaign_hide_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "CAP", operations.SHOWN_CAMPAIGNS * 3)
    large, small = active(name="Large"), active(name="Small")
    for reason in (Reason.REFUSED, Reason.REFUSED, Reason.RENDER, Reason.RENDER, Reason.RENDER):
        row(large, status=Status.FAILED, reason=reason)
    row(small, status=Status.FAILED, reason=Reason.REFUSED)
    sums(large, failed=5)
    sums(small, failed=1)
    counted = {name: [f.rows for f in failures() if f.campaign == name] for name in ("Large", "Small")}
    assert sum(rows.count for rows in counted["Large"]) == 3
    assert all(rows.more for rows in counted["Large"])
    assert counted["Small"] == [Rows(1)]


# --- What it costs -----------------------------------------------------------------------------------


def test_the_number_of_queries_does_not_grow(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(3):
        campaign = active(senders=[SenderFactory() for _ in range(4)])
        row(campaign, status=Status.FAILED, reason=Reason.REFUSED)
        sums(campaign, failed=1, unknown=1)
    with django_assert_num_queries(2):
        waiting = queues()
    with django_assert_num_queries(2):
        senders(waiting)
    with django_assert_num_queries(1):
        in_hand()
    with django_assert_num_queries(2):
        assert len(failures()) == 3
    with django_assert_num_queries(1):
        unknowns()


def test_no_question_scans_the_ledger() -> None:
    """Whatever the statistics say: with sequential scans forbidden, each has an index to answer from."""
    campaign = active()
    row(campaign, status=Status.FAILED, reason=Reason.REFUSED)
    sums(campaign, failed=1)
    with CaptureQueriesContext(connection) as asked:
        queues(), in_hand(), failures()
    plans = [plan(query["sql"]) for query in asked if "delivery_sendlog" in query["sql"]]
    assert len(plans) == 3
    partial = {"sendlog_open", "sendlog_leased", "sendlog_exceptions"}
    assert all(any(name in text for name in partial) for text in plans)
    scans = ("Seq Scan on delivery_sendlog", "SCAN delivery_sendlog'", "SCAN l'")
    assert not any(scan in text for text in plans for scan in scans)


def plan(statement: str) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN '}{statement}")
        return "\n".join(str(line) for line in cursor.fetchall())
