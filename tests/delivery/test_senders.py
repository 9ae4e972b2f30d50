"""Several senders of a campaign: who gets which recipients, and what becomes of them when one is gone."""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice

import pytest

from campaigns import lifecycle
from campaigns.models import Campaign, CampaignSender, Sender, SenderLimit
from delivery import fill, limits, senders
from delivery.models import Progress, SendLog
from delivery.worker import Worker
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory

pytestmark = pytest.mark.django_db
State = Sender.State


def fill_all(campaign: Campaign) -> None:
    while fill.fill_page(campaign):
        pass


def shares(campaign: Campaign) -> Counter[int]:
    return Counter(SendLog.objects.filter(campaign=campaign).values_list("sender_id", flat=True))


def campaign_of(*weights: int, customers: int = 12) -> tuple[Campaign, list[Sender]]:
    CustomerFactory.create_batch(customers)
    of_it = SenderFactory.create_batch(len(weights))
    campaign: Campaign = CampaignFactory(senders=of_it)
    for sender, weight in zip(of_it, weights, strict=True):
        CampaignSender.objects.filter(campaign=campaign, sender=sender).update(weight=weight)
    lifecycle.activate(campaign)
    return campaign, of_it


# --- Dealing out ---------------------------------------------------------------------------------------


def test_recipients_are_dealt_out_in_turn_by_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "PAGE", 5)
    campaign, (one, two, three) = campaign_of(3, 2, 1, customers=24)
    fill_all(campaign)
    dealt = SendLog.objects.order_by("customer_id").values_list("sender_id", flat=True)
    round_ = [one.pk] * 3 + [two.pk] * 2 + [three.pk]
    assert list(dealt) == list(islice(cycle(round_), 24))


def test_filling_again_leaves_everybody_with_their_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "PAGE", 5)
    campaign, _ = campaign_of(1, 2, customers=15)
    fill_all(campaign)
    before = dict(SendLog.objects.values_list("customer_id", "sender_id"))
    CustomerFactory.create_batch(15)
    Progress.objects.filter(campaign=campaign).update(cursor=0, filled_at=None)
    CampaignSender.objects.filter(campaign=campaign).update(weight=1)
    fill_all(campaign)
    after = dict(SendLog.objects.values_list("customer_id", "sender_id"))
    assert len(after) == 30
    assert before.items() <= after.items()


def test_a_sender_that_stops_between_two_pages_is_dealt_nobody_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "PAGE", 6)
    campaign, (one, two) = campaign_of(1, 1)
    fill.fill_page(campaign)
    Sender.objects.filter(pk=one.pk).update(state=State.STOPPED)
    fill_all(campaign)
    assert shares(campaign) == {one.pk: 3, two.pk: 9}


def test_a_campaign_without_a_usable_sender_is_not_activated_and_says_why() -> None:
    stopped = SenderFactory(name="Shop", state=State.STOPPED, last_error="535 wrong password.")
    campaign = CampaignFactory(senders=[stopped])
    with pytest.raises(lifecycle.NotReady, match="Shop: 535 wrong password"):
        lifecycle.activate(campaign)


# --- Gone while it runs ----------------------------------------------------------------------------------


def test_a_stopped_senders_recipients_move_to_the_heaviest_other() -> None:
    campaign, (one, two, three) = campaign_of(1, 1, 2)
    fill_all(campaign)
    senders.stop(one, "535 wrong password.")
    assert shares(campaign) == {two.pk: 3, three.pk: 9}
    one.refresh_from_db()
    assert (one.state, one.last_error) == (State.STOPPED, "535 wrong password.")


def test_the_last_sender_that_stops_pauses_the_campaign_with_what_to_do() -> None:
    campaign, of_it = campaign_of(1, 1)
    fill_all(campaign)
    for sender in of_it:
        senders.stop(sender, "535 wrong password.")
    campaign.refresh_from_db()
    assert campaign.status == "paused"
    assert "535 wrong password. Mend the sender, then resume." in campaign.result
    assert set(SendLog.objects.values_list("status", flat=True)) == {"queued"}


def test_a_campaign_that_has_lost_its_only_sender_fails_with_its_reason() -> None:
    campaign, _ = campaign_of(1)
    CampaignSender.objects.all().delete()
    with Worker() as worker:
        worker.run_once()
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == (
        "failed",
        "Its sender is missing: this campaign has none any more.",
    )


def test_a_campaign_that_has_lost_its_sender_half_way_leaves_nobody_waiting() -> None:
    campaign, _ = campaign_of(1)
    fill_all(campaign)
    CampaignSender.objects.all().delete()
    with Worker() as worker:
        worker.run_once()
        worker.mended_at = float("-inf")
        worker.run_once()
    campaign.refresh_from_db()
    assert campaign.status == "failed"
    campaign.transitions.get(action="fail")


@pytest.mark.parametrize("position", [0, 1, 2])
def test_what_waits_for_a_lost_sender_goes_to_one_that_is_left(position: int) -> None:
    campaign, of_it = campaign_of(1, 1, 1)
    fill_all(campaign)
    lost = of_it.pop(position)
    CampaignSender.objects.filter(sender=lost).delete()
    senders.relieve_missing()
    assert shares(campaign) == {of_it[0].pk: 8, of_it[1].pk: 4}
    campaign.refresh_from_db()
    assert campaign.status == "active"


def test_what_waits_for_its_own_senders_is_left_with_them_whatever_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Senders sort by name: read in that order, each looked lost, and one's mails went to itself for ever."""
    campaign, of_it = campaign_of(1, 1, 1)
    fill_all(campaign)
    for name, sender in zip("cab", of_it, strict=True):
        Sender.objects.filter(pk=sender.pk).update(name=name)
    moves: list[tuple[object, ...]] = []
    monkeypatch.setattr(senders, "_move", lambda *move: moves.append(move))
    senders.relieve_missing()
    assert moves == []


# --- A mailbox's day -------------------------------------------------------------------------------------


def test_a_daily_allowance_of_one_mailbox_leaves_the_others_alone() -> None:
    campaign, (small, large) = campaign_of(1, 1)
    SenderLimit.objects.create(sender=small, mails=2, period="day")
    rules = limits.rules([small.pk, large.pk])
    limiter = limits.limiter()
    assert limiter.take(rules[small.pk], "other", 10) == 2
    assert limiter.take(rules[small.pk], "google", 10) == 0
    assert limiter.take(rules[large.pk], "other", 10) == 10
