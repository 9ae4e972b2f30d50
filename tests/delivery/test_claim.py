from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from django.db import Error, connection
from django.utils import timezone

from audience import consent, suppression
from audience.models import ConsentRecord, Customer, Suppression
from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery import sql
from delivery.claim import Claim, Passed, claim
from delivery.models import Circuit, Progress, SendLog
from tests.delivery.lanes import admit_all, lane_of, take

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


def statuses() -> list[str]:
    return list(SendLog.objects.order_by("id").values_list("status", flat=True))


def test_claim_takes_the_oldest_due_rows_up_to_the_limit(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    first = SendLog.objects.latest("id")
    SendLog.objects.filter(pk=first.pk).update(due_at=timezone.now() - timedelta(hours=1))
    [passed] = take(campaign, 1)
    assert (passed.row_id, passed.fence, passed.attempts) == (first.pk, 1, 1)
    first.refresh_from_db()
    assert (first.status, first.worker, first.attempts) == ("sending", "w1", 1)
    assert first.lease_until is not None


def test_row_that_is_not_due_is_left_alone(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    SendLog.objects.update(due_at=timezone.now() + timedelta(minutes=1))
    assert take(campaign) == []


@pytest.mark.parametrize("action", [lifecycle.pause, lifecycle.cancel, lifecycle.complete])
def test_claim_looks_at_the_campaign(
    active_campaign: MakeCampaign, action: Callable[[Campaign], None]
) -> None:
    campaign = active_campaign(2)
    action(campaign)
    assert take(campaign) == []
    assert statuses() == ["queued", "queued"]


def test_rows_of_a_stopped_sender_are_not_claimed(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    Sender.objects.update(state=Sender.State.STOPPED)
    assert take(campaign) == []


def test_rows_of_a_resting_sender_wait_and_one_on_probation_is_tried(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    Circuit.objects.create(sender=Sender.objects.get(), retry_at=timezone.now() + timedelta(minutes=1))
    assert take(campaign) == []
    lane = lane_of(campaign, on_probation=True)
    assert len(claim(lane, "other", "w1", 1, admit_all)[0]) == 1


def test_only_rows_of_the_asked_mailbox_provider_are_claimed(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    gmail = SendLog.objects.earliest("id")
    SendLog.objects.filter(pk=gmail.pk).update(mailbox_provider="google")
    passed, _ = claim(lane_of(campaign), "google", "w1", 10, admit_all)
    assert [row.row_id for row in passed] == [gmail.pk]


@pytest.mark.django_db(transaction=True)
def test_no_row_is_claimed_by_two_workers(active_campaign: MakeCampaign) -> None:
    lane = lane_of(active_campaign(200))
    taken: list[int] = []

    def work(name: str) -> None:
        while passed := claim(lane, "other", name, 7, admit_all)[0]:
            taken.extend(row.row_id for row in passed)
        connection.close()

    threads = [threading.Thread(target=work, args=[f"w{n}"]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(SendLog.objects.values_list("id", flat=True))


def test_only_as_many_rows_pass_as_are_admitted_and_the_rest_stays_queued(
    active_campaign: MakeCampaign,
) -> None:
    campaign = active_campaign(3)
    passed, looked_at = claim(lane_of(campaign), "other", "w1", 10, lambda claims: 2)
    assert (len(passed), looked_at) == (2, 3)
    assert statuses() == ["sending", "sending", "queued"]


def test_worker_that_dies_before_the_commit_has_changed_nothing(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)

    def die(claims: Sequence[Claim]) -> int:
        raise SystemExit

    with pytest.raises(SystemExit):
        claim(lane_of(campaign), "other", "w1", 10, die)
    assert set(SendLog.objects.values_list("status", "fence", "attempts")) == {("queued", 0, 0)}


def test_rows_are_told_before_they_pass_with_the_fence_that_they_get(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    told: list[Claim] = []

    def admit(claims: Sequence[Claim]) -> int:
        assert statuses() == ["queued", "queued"]
        told.extend(claims)
        return len(claims)

    passed, _ = claim(lane_of(campaign), "other", "w1", 10, admit)
    assert sorted(row.claim for row in passed) == sorted(told)


def test_gate_refuses_who_has_unsubscribed(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    first = Customer.objects.earliest("id")
    consent.unsubscribe(first, channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.LINK)
    assert len(take(campaign)) == 1
    refused = SendLog.objects.get(status="suppressed")
    assert (refused.reason, refused.customer_id, refused.attempts) == ("unsubscribe", first.pk, 0)
    assert Progress.objects.get(campaign=campaign).suppressed == 1


def test_gate_refuses_an_address_that_has_bounced(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    suppression.suppress(campaign.workspace, Customer.objects.get().email, Suppression.Reason.HARD_BOUNCE)
    assert take(campaign) == []
    assert SendLog.objects.get().reason == "hard_bounce"


def test_gate_refuses_a_customer_who_was_deleted(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    Customer.objects.all().delete()
    assert take(campaign) == []
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("suppressed", "deleted")


@pytest.mark.django_db(transaction=True)
def test_no_mail_passes_after_a_suppression_is_committed(active_campaign: MakeCampaign) -> None:
    """Whoever suppresses while a gate has looked, but not committed, waits for it."""
    campaign = active_campaign(1)
    email = Customer.objects.get().email
    order: list[str] = []

    def suppress() -> None:
        suppression.suppress(campaign.workspace, email, Suppression.Reason.COMPLAINT)
        order.append("suppressed")
        connection.close()

    other = threading.Thread(target=suppress)

    def admit(claims: Sequence[Claim]) -> int:
        other.start()
        if sql.is_postgresql():
            wait_until_somebody_waits_for_a_lock()
        order.append("passed")
        return len(claims)

    passed, _ = claim(lane_of(campaign), "other", "w1", 10, admit)
    other.join()
    assert (len(passed), order) == (1, ["passed", "suppressed"])


def wait_until_somebody_waits_for_a_lock() -> None:
    waiting = 0
    while not waiting:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            waiting = cursor.fetchone()[0]


def test_row_takes_over_the_customers_new_address(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    Customer.objects.update(email="new@gmail.com")
    [passed] = take(campaign)
    assert passed.email == "new@gmail.com"
    row = SendLog.objects.get()
    assert (row.email, row.mailbox_provider) == ("new@gmail.com", "google")


def test_row_passes_once(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    assert len(take(campaign)) == 1
    assert take(campaign) == []


def test_each_claim_gives_a_higher_fence(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    fences = []
    for _ in range(3):
        [passed] = take(campaign)
        fences.append(passed.fence)
        SendLog.objects.update(status="queued")
    assert fences == [1, 2, 3]
    assert isinstance(passed, Passed)


@pytest.mark.django_db(transaction=True)
def test_worker_that_freezes_in_mid_claim_holds_nobody_up(active_campaign: MakeCampaign) -> None:
    """PostgreSQL ends its transaction. SQLite has one sender, and a frozen one is the operator's to end."""
    if not sql.is_postgresql():
        return
    campaign = active_campaign(2)
    email = Customer.objects.earliest("id").email
    released = threading.Event()

    def freeze(claims: Sequence[Claim]) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            assert cursor.fetchone() == ("15s",)
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
        released.wait()
        return len(claims)

    def frozen() -> None:
        with pytest.raises(Error):
            claim(lane_of(campaign), "other", "frozen", 10, freeze)
        connection.close()

    worker = threading.Thread(target=frozen)
    worker.start()
    wait_until_a_row_is_locked()
    suppression.suppress(campaign.workspace, email, Suppression.Reason.COMPLAINT)
    passed, _ = claim(lane_of(campaign), "other", "w1", 10, admit_all)
    released.set()
    worker.join()
    assert len(passed) == 1
    assert sorted(statuses()) == ["sending", "suppressed"]


def wait_until_a_row_is_locked() -> None:
    held = False
    while not held:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted)")
            held = cursor.fetchone()[0]
