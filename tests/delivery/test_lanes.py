from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from campaigns.models import Campaign, Sender
from delivery.fill import fill_page
from delivery.lanes import Lane, Turns, due_lanes
from delivery.models import Circuit, SendLog
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory, WorkspaceFactory

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


def found(*campaigns: Campaign) -> list[tuple[int, tuple[str, ...], bool]]:
    lanes = due_lanes(campaigns, timezone.now())
    return [(lane.sender.pk, tuple(sorted(lane.providers)), lane.on_probation) for lane in lanes]


def test_lane_names_the_mailbox_providers_for_which_mail_is_due(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    first, second, _ = SendLog.objects.order_by("id")
    SendLog.objects.filter(pk=first.pk).update(mailbox_provider="google")
    SendLog.objects.filter(pk=second.pk).update(
        mailbox_provider="yahoo", due_at=timezone.now() + timedelta(hours=1)
    )
    assert found(campaign) == [(Sender.objects.get().pk, ("google", "other"), False)]


def test_each_sender_of_a_campaign_is_a_lane_of_its_own(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(4, senders=[SenderFactory(), SenderFactory()])
    assert sorted(sender for sender, _, _ in found(campaign)) == sorted(
        Sender.objects.values_list("pk", flat=True)
    )


def test_sender_that_is_stopped_or_rests_has_no_lane(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(4, senders=[SenderFactory(), SenderFactory(), SenderFactory()])
    stopped, resting, tried = Sender.objects.order_by("pk")
    Sender.objects.filter(pk=stopped.pk).update(state=Sender.State.STOPPED)
    now = timezone.now()
    Circuit.objects.create(sender=resting, retry_at=now + timedelta(minutes=1))
    Circuit.objects.create(sender=tried, retry_at=now - timedelta(seconds=1))
    assert found(campaign) == [(tried.pk, ("other",), True)]


def test_lanes_of_many_campaigns_are_found_in_three_queries(
    active_campaign: MakeCampaign, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    campaigns = [active_campaign(1) for _ in range(4)]
    with django_assert_num_queries(3):
        assert len(found(*campaigns)) == 4


def test_nothing_due_is_no_lane(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1, filled=False)
    assert found(campaign) == []
    assert found() == []


def lanes_of(workspace: str, campaigns: int, senders: int = 1) -> list[Lane]:
    """Lanes of so many campaigns of a workspace, without a ledger behind them."""
    own = WorkspaceFactory(slug=workspace)
    made = [CampaignFactory(workspace=own) for _ in range(campaigns)]
    names = [SenderFactory(workspace=own, name=f"{workspace} {n}") for n in range(senders)]
    return [Lane(campaign, sender, ("other",)) for campaign in made for sender in names]


def turns_of(lanes: list[Lane], number: int) -> list[Lane]:
    turns = Turns()
    return [lane for _ in range(number) if (lane := turns.next(lanes))]


def test_workspace_with_many_campaigns_gets_no_more_turns_than_one_with_few() -> None:
    lanes = lanes_of("large", campaigns=9) + lanes_of("small", campaigns=1)
    had = Counter(lane.campaign.workspace.slug for lane in turns_of(lanes, 20))
    assert had == {"large": 10, "small": 10}


def test_campaign_with_many_senders_gets_no_more_turns_than_one_with_one() -> None:
    large, small = CampaignFactory(), CampaignFactory()
    senders = [SenderFactory() for _ in range(4)]
    lanes = [Lane(large, sender, ("other",)) for sender in senders] + [Lane(small, senders[0], ("other",))]
    had = Counter(lane.campaign.pk for lane in turns_of(lanes, 20))
    assert had == {large.pk: 10, small.pk: 10}


def test_every_lane_gets_its_turn() -> None:
    lanes = lanes_of("a", campaigns=3, senders=2) + lanes_of("b", campaigns=2)
    assert {lane.key for lane in turns_of(lanes, 12)} == {lane.key for lane in lanes}


def test_lane_that_comes_later_is_next() -> None:
    old, new = lanes_of("a", campaigns=2)
    turns = Turns()
    for _ in range(5):
        turns.next([old])
    assert turns.next([old, new]) is new


def test_no_lane_is_no_turn() -> None:
    assert Turns().next([]) is None


def test_customer_of_a_large_provider_is_filled_into_its_own_queue(active_campaign: MakeCampaign) -> None:
    for email in ("a@gmail.com", "b@hotmail.fr", "c@yahoo.co.uk", "d@acme.example"):
        CustomerFactory(email=email)
    campaign = active_campaign(0, filled=False)
    while fill_page(campaign):
        pass
    assert dict(SendLog.objects.values_list("email", "mailbox_provider")) == {
        "a@gmail.com": "google",
        "b@hotmail.fr": "microsoft",
        "c@yahoo.co.uk": "yahoo",
        "d@acme.example": "other",
    }
