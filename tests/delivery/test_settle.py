from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from campaigns.models import Campaign
from delivery import sql
from delivery.claim import claim
from delivery.models import Progress, SendLog
from delivery.settle import MAX_ATTEMPTS, Settlement, backoff, from_answer, settle
from delivery.transports.base import Answer, Verdict
from tests.delivery.lanes import admit_all, lane_of, take

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


@pytest.fixture
def sending(active_campaign: MakeCampaign) -> SendLog:
    """A row that has passed the gate."""
    take(active_campaign(1))
    return SendLog.objects.get()


def answer(row: SendLog, verdict: Verdict, **more: object) -> SendLog:
    row.refresh_from_db()
    settle([from_answer(Answer(row.pk, verdict, **more), row.fence, row.attempts)], "w1")
    row.refresh_from_db()
    return row


def again(row: SendLog) -> None:
    """Let the row's next attempt be due, and take it to the gate once more."""
    SendLog.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert take(row.campaign)


def test_accepted_mail_is_sent_and_keeps_the_providers_id(sending: SendLog) -> None:
    row = answer(sending, Verdict.ACCEPTED, provider_id="A1B2")
    assert (row.status, row.provider_id, row.history) == ("sent", "A1B2", [])
    assert row.sent_at is not None
    assert row.lease_until is None
    assert Progress.objects.get().sent == 1


def test_refused_mail_is_failed_at_once_with_the_providers_words(sending: SendLog) -> None:
    row = answer(sending, Verdict.PERMANENT, error="550 5.1.1 No such user")
    assert (row.status, row.reason, row.error) == ("failed", "refused", "550 5.1.1 No such user")
    assert Progress.objects.get().failed == 1


def test_doubtful_mail_is_unknown_and_is_not_queued_again(sending: SendLog) -> None:
    row = answer(sending, Verdict.UNKNOWN, error="timed out")
    assert (row.status, row.reason) == ("unknown", "no_answer")
    assert take(row.campaign) == []


def test_temporary_failure_is_tried_three_times_and_given_up(sending: SendLog) -> None:
    for attempt in range(1, MAX_ATTEMPTS):
        row = answer(sending, Verdict.NOT_SENT, error=f"451 try {attempt}")
        assert (row.status, row.reason, row.attempts) == ("queued", "retry", attempt)
        assert row.due_at > timezone.now()
        again(row)
    row = answer(sending, Verdict.NOT_SENT, error="451 try 3")
    assert (row.status, row.reason, row.error) == ("failed", "exhausted", "451 try 3")
    assert [(past["status"], past["error"]) for past in row.history] == [
        ("queued", "451 try 1"),
        ("queued", "451 try 2"),
        ("failed", "451 try 3"),
    ]


@pytest.mark.parametrize("verdict", [Verdict.SENDER, Verdict.UNAVAILABLE])
def test_senders_own_fault_costs_the_recipient_no_attempt(sending: SendLog, verdict: Verdict) -> None:
    row = answer(sending, verdict, error="535 Log-in refused")
    assert (row.status, row.attempts, row.history) == ("queued", 0, [])
    assert len(take(row.campaign)) == 1


def test_wait_grows_fourfold_and_varies_by_a_half(settings: Settings) -> None:
    settings.SEND_RETRY_SECONDS = 60
    for attempts, base in ((1, 60), (2, 240)):
        waits = [backoff(attempts).total_seconds() for _ in range(200)]
        assert base / 2 <= min(waits) < base * 0.7
        assert base * 1.3 < max(waits) <= base * 1.5


def test_providers_own_wait_is_obeyed() -> None:
    assert backoff(1, retry_after=3600) == timedelta(hours=1)


def test_late_write_with_an_old_fence_changes_nothing(sending: SendLog) -> None:
    SendLog.objects.update(status="queued", fence=sending.fence + 1)
    settle([Settlement(sending.pk, sending.fence, "sent")], "w1")
    SendLog.objects.update(status="sending")
    settle([Settlement(sending.pk, sending.fence, "failed", "refused")], "w1")
    sending.refresh_from_db()
    assert sending.status == "sending"
    assert Progress.objects.get().done == 0


def test_row_of_another_worker_is_left_alone_though_the_fence_is_the_same(sending: SendLog) -> None:
    """A claim that was never committed leaves its number to the next worker's."""
    assert settle([Settlement(sending.pk, sending.fence, "queued", given_back=1)], "w0") == set()
    sending.refresh_from_db()
    assert sending.status == "sending"


def test_settling_twice_counts_once(sending: SendLog) -> None:
    for _ in range(2):
        settle([Settlement(sending.pk, sending.fence, "sent")], "w1")
    assert Progress.objects.get().sent == 1


def test_unknown_row_that_turns_out_sent_moves_from_one_sum_to_the_other(sending: SendLog) -> None:
    answer(sending, Verdict.UNKNOWN)
    settle([Settlement(sending.pk, sending.fence, "sent")], "", known_as="unknown")
    progress = Progress.objects.get()
    assert (progress.sent, progress.unknown) == (1, 0)


def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(
    active_campaign: MakeCampaign, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    campaign = active_campaign(60)
    lane = lane_of(campaign)
    # Savepoint, lock against refusals (PostgreSQL), contact policy, due rows, gate, release.
    with django_assert_num_queries(6 if sql.is_postgresql() else 5):
        passed, _ = claim(lane, "other", "w1", 60, admit_all)
    with django_assert_num_queries(5):  # savepoint, rows, two sums, release
        settle([Settlement(*row.claim, "sent") for row in passed], "w1")
    assert Progress.objects.get().sent == 60


def test_odd_words_of_a_provider_do_not_keep_a_batch_unsettled(sending: SendLog) -> None:
    row = answer(sending, Verdict.PERMANENT, error="550 no\0 such \ud800 user")
    assert (row.status, row.error) == ("failed", "550 no such ? user")
