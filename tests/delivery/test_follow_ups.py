"""Follow-ups: drafts for those who failed, who joined since, who did not open; nobody gets one twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from audience.models import Customer, Membership, Segment
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery import follow_ups
from delivery.fill import fill_page
from delivery.models import Event, SendLog
from tests.delivery.staff import member, stranger
from tests.factories import CampaignFactory, CustomerFactory
from tests.flows import leave, make_flow, on_flow, send

Kind = Campaign.FollowUp
MakeCampaign = Callable[..., Campaign]
keys = count()


def run(campaign: Campaign, **became: str) -> Campaign:
    """Let a campaign fill and end; what became of whom, by the beginning of the address; else sent."""
    if campaign.status == Campaign.Status.DRAFT:
        lifecycle.activate(campaign)
    while fill_page(campaign):
        pass
    rows = SendLog.objects.filter(campaign=campaign, status="queued")
    for name, status in became.items():
        rows.filter(email__startswith=name).update(status=status)
    rows.filter(status="queued").update(status="sent", sent_at=timezone.now())
    lifecycle.complete(campaign)
    return campaign


def ended(**became: str) -> Campaign:
    for name in ("ada", "bea", "cy", "dee"):
        CustomerFactory(email=f"{name}@example.com")
    campaign: Campaign = CampaignFactory(name="Spring", audience="all_subscribed", segment=None)
    return run(campaign, **became)


def opened(campaign: Campaign, name: str) -> None:
    row = SendLog.objects.get(campaign=campaign, email=f"{name}@example.com")
    Event.objects.create(
        workspace=row.workspace,
        sendlog=row,
        customer_id=row.customer_id,
        type="opened",
        source=Event.Source.LINK,
        key=str(next(keys)),
        verdict=Event.Verdict.PERSON,
        at=timezone.now(),
    )


def meant(campaign: Campaign) -> set[str]:
    return {email.partition("@")[0] for email in campaign.matching().values_list("email", flat=True)}


def test_those_who_failed_get_it_and_those_in_doubt_do_not(db: None) -> None:
    campaign = ended(ada="failed", bea="unknown", cy="suppressed")
    draft = follow_ups.make(campaign, Kind.FAILED).campaign
    assert meant(draft) == {"ada"}
    assert (draft.status, draft.follows, draft.follow_up) == ("draft", campaign, "failed")
    assert "those who failed" in draft.name.lower() and draft.segment is not None


def test_those_who_joined_since_are_those_without_a_place_in_it(db: None) -> None:
    campaign = ended(ada="failed", bea="unknown")
    CustomerFactory(email="new@example.com")
    CustomerFactory(email="out@example.com", subscribed=False)
    assert meant(follow_ups.make(campaign, Kind.JOINED).campaign) == {"new"}


def test_a_segment_keeps_its_own_rules_for_those_who_joined(db: None) -> None:
    either = {"any": [{"field": "email", "operator": "starts_with", "value": name} for name in ("n", "m")]}
    campaign = run(CampaignFactory(segment__criteria=either))
    for name in ("new", "mel", "zoe"):
        CustomerFactory(email=f"{name}@example.com")
    assert meant(follow_ups.make(campaign, Kind.JOINED).campaign) == {"new", "mel"}


def test_those_who_did_not_open_got_it_and_did_not_open_it(db: None) -> None:
    campaign = ended(ada="failed", bea="unknown")
    opened(campaign, "cy")
    assert meant(follow_ups.make(campaign, Kind.NOT_OPENED).campaign) == {"dee"}


def test_a_double_click_makes_one_and_an_unfinished_one_is_gone_on_with(db: None) -> None:
    campaign = ended(ada="failed")
    first = follow_ups.make(campaign, Kind.FAILED)
    again = follow_ups.make(campaign, Kind.FAILED)
    assert (first.is_new, again.is_new, again.campaign) == (True, False, first.campaign)
    lifecycle.activate(first.campaign)
    assert follow_ups.make(campaign, Kind.FAILED).campaign == first.campaign
    assert Segment.objects.count() == 1


def test_the_next_leaves_out_whom_those_before_it_reached_or_may_have(db: None) -> None:
    campaign = ended(ada="failed", bea="failed", cy="failed")
    first = run(follow_ups.make(campaign, Kind.FAILED).campaign, ada="sent", bea="unknown", cy="failed")
    second = follow_ups.make(campaign, Kind.FAILED)
    assert second.is_new and meant(second.campaign) == {"cy"}
    assert meant(follow_ups.make(first, Kind.FAILED).campaign) == {"cy"}


def test_segments_for_several_get_names_of_their_own(db: None) -> None:
    campaign = ended(ada="failed")
    for _ in range(3):
        run(follow_ups.make(campaign, Kind.FAILED).campaign, ada="failed")
    names = set(Segment.objects.values_list("name", flat=True))
    assert names == {f"Those who failed: Spring{number}" for number in ("", " 2", " 3")}


def test_nothing_follows_a_campaign_that_runs_or_what_is_not_counted(db: None) -> None:
    running = CampaignFactory(tracked=False)
    lifecycle.activate(running)
    assert follow_ups.offered(running) == []
    with pytest.raises(follow_ups.NotPossible, match="is active"):
        follow_ups.make(running, Kind.FAILED)
    lifecycle.complete(running)
    with pytest.raises(follow_ups.NotPossible):
        follow_ups.make(running, Kind.NOT_OPENED)
    assert Campaign.objects.count() == 1


def test_an_audience_that_cannot_be_asked_again_is_said_and_writes_nothing(db: None) -> None:
    campaign = run(CampaignFactory())
    gone: dict[str, Any] = {"all": [{"field": "attributes.gone", "operator": "is_set"}]}
    Segment.objects.update(criteria=gone)
    campaign.refresh_from_db()
    with pytest.raises(follow_ups.NotPossible, match="gone"):
        follow_ups.make(campaign, Kind.JOINED)
    assert (Campaign.objects.count(), Segment.objects.count()) == (1, 1)


def test_the_button_makes_the_draft_and_the_history_says_who_made_it(db: None) -> None:
    campaign = ended(ada="failed")
    client = member(campaign.workspace, Membership.Role.EDITOR)
    url = reverse("delivery:follow_up", args=[campaign.pk, "failed"])
    response = client.post(url)
    draft = Campaign.objects.get(follows=campaign)
    assert response.headers["Location"] == reverse("delivery:compose_audience", args=[draft.pk])
    note = campaign.transitions.last()
    assert note is not None and note.actor == draft.created_by and draft.name in note.reason
    assert "There is one already" in client.post(url, follow=True).text


def test_others_may_not(db: None) -> None:
    campaign = ended()
    url = reverse("delivery:follow_up", args=[campaign.pk, "failed"])
    assert member(campaign.workspace, Membership.Role.ANALYST).post(url).status_code == 403
    assert stranger().post(url).status_code == 404
    assert member(campaign.workspace).post(url.replace("failed", "x")).status_code == 404
    assert Campaign.objects.count() == 1 and Customer.objects.count() == 4


@pytest.mark.django_db
def test_nothing_follows_a_flow() -> None:
    campaign = on_flow(make_flow(send(1), leave(2)))
    Campaign.objects.filter(pk=campaign.pk).update(status="completed")
    campaign.refresh_from_db()
    assert follow_ups.offered(campaign) == []
