from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audience import consent, suppression
from audience.models import ConsentRecord, Customer, Suppression
from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery.claim import Claim, claim, gate
from delivery.models import Progress, SendLog

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


def statuses() -> list[str]:
    return list(SendLog.objects.order_by("id").values_list("status", flat=True))


def test_claim_takes_the_oldest_due_rows_up_to_the_limit(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    first = SendLog.objects.latest("id")
    SendLog.objects.filter(pk=first.pk).update(due_at=timezone.now() - timedelta(hours=1))
    assert claim(campaign, "w1", 1) == [Claim(first.pk, 1)]
    first.refresh_from_db()
    assert (first.status, first.worker) == ("claimed", "w1")
    assert first.lease_until is not None


def test_row_that_is_not_due_is_left_alone(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    SendLog.objects.update(due_at=timezone.now() + timedelta(minutes=1))
    assert claim(campaign, "w1", 10) == []


@pytest.mark.parametrize("action", [lifecycle.pause, lifecycle.cancel, lifecycle.complete])
def test_claim_looks_at_the_campaign(
    active_campaign: MakeCampaign, action: Callable[[Campaign], None]
) -> None:
    campaign = active_campaign(2)
    action(campaign)
    assert claim(campaign, "w1", 10) == []


def test_rows_of_a_stopped_sender_are_not_claimed(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    Sender.objects.update(state=Sender.State.STOPPED)
    assert claim(campaign, "w1", 10) == []


@pytest.mark.django_db(transaction=True)
def test_no_row_is_claimed_by_two_workers(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(200)
    taken: list[int] = []

    def work(name: str) -> None:
        while claims := claim(campaign, name, 7):
            taken.extend(c.row_id for c in claims)
        connection.close()

    threads = [threading.Thread(target=work, args=[f"w{n}"]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(SendLog.objects.values_list("id", flat=True))


def test_gate_commits_sending_and_counts_the_attempt(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    claims = claim(campaign, "w1", 10)
    assert sorted(gate(claims), key=lambda c: c.row_id) == sorted(claims, key=lambda c: c.row_id)
    assert set(SendLog.objects.values_list("status", "attempts")) == {("sending", 1)}


def test_gate_refuses_who_unsubscribed_after_the_claim(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    claims = claim(campaign, "w1", 10)
    consent.unsubscribe(
        Customer.objects.earliest("id"), channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.LINK
    )
    assert len(gate(claims)) == 1
    refused = SendLog.objects.get(status="suppressed")
    assert (refused.reason, refused.customer_id) == ("unsubscribe", Customer.objects.earliest("id").pk)
    assert Progress.objects.get(campaign=campaign).suppressed == 1


def test_gate_refuses_an_address_that_bounced_after_the_claim(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    claims = claim(campaign, "w1", 10)
    suppression.suppress(campaign.workspace, Customer.objects.get().email, Suppression.Reason.HARD_BOUNCE)
    assert gate(claims) == []
    assert SendLog.objects.get().reason == "hard_bounce"


def test_gate_refuses_a_customer_who_was_deleted(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    claims = claim(campaign, "w1", 10)
    Customer.objects.all().delete()
    assert gate(claims) == []
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("suppressed", "deleted")


def test_gate_puts_the_rows_of_a_paused_campaign_back(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    claims = claim(campaign, "w1", 10)
    lifecycle.pause(campaign)
    assert gate(claims) == []
    assert set(SendLog.objects.values_list("status", "attempts")) == {("queued", 0)}


def test_gate_takes_over_the_customers_new_address(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    claims = claim(campaign, "w1", 10)
    Customer.objects.update(email="new@example.com")
    gate(claims)
    assert SendLog.objects.get().email == "new@example.com"


def test_gate_lets_nothing_through_with_an_old_fence(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    old = claim(campaign, "w1", 10)
    SendLog.objects.update(status="queued")
    new = claim(campaign, "w2", 10)
    assert gate(old) == []
    assert statuses() == ["claimed"]
    assert gate(new) == new


def test_gate_passes_a_row_once(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    claims = claim(campaign, "w1", 10)
    assert gate(claims) == claims
    assert gate(claims) == []
