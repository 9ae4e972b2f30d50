"""A campaign's live page: what may be done, what came of it, what may follow, who did what."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from analytics import roll_up
from audience.models import Membership
from campaigns import lifecycle
from campaigns.models import Campaign
from tests.analytics.sample import Sample
from tests.delivery.staff import member, stranger
from tests.factories import CampaignFactory, MembershipFactory

pytestmark = pytest.mark.django_db


def page(campaign: Campaign, client: Client | None = None) -> str:
    response = (client or member(campaign.workspace)).get(reverse("site:campaign", args=[campaign.pk]))
    assert response.status_code == 200
    return " ".join(response.text.split())


def active(**columns: Any) -> Campaign:
    campaign: Campaign = CampaignFactory(**columns)
    lifecycle.activate(campaign)
    return campaign


def test_a_draft_is_reviewed_instead() -> None:
    campaign = CampaignFactory()
    response = member(campaign.workspace).get(reverse("site:campaign", args=[campaign.pk]))
    assert response.headers["Location"] == reverse("delivery:send", args=[campaign.pk])


def test_it_offers_what_the_status_allows_and_tells_who_did_what() -> None:
    campaign = active()
    assert "Pause" in page(campaign) and "Send to those who failed" not in page(campaign)
    lifecycle.pause(campaign, MembershipFactory().user, "Wrong price")
    shown = page(campaign)
    assert "Resume" in shown and "Wrong price" in shown
    lifecycle.complete(campaign, result="45 of 50 sent")
    shown = page(campaign)
    assert "45 of 50 sent" in shown and "Send to those who joined since" in shown
    assert "/steer/" not in shown


def test_without_tracking_nobody_is_said_not_to_have_opened() -> None:
    campaign = active(tracked=False)
    lifecycle.complete(campaign)
    assert "did not open" not in page(campaign)


@pytest.mark.parametrize(("role", "steers", "follows"), [("editor", False, True), ("analyst", False, False)])
def test_everybody_is_offered_what_they_may_do(role: str, steers: bool, follows: bool) -> None:
    campaign = active()
    client = member(campaign.workspace, Membership.Role(role))
    assert ("/steer/" in page(campaign, client)) == steers
    lifecycle.complete(campaign)
    assert ("/follow-up/" in page(campaign, client)) == follows


def test_the_reasons_lead_to_the_people_behind_them() -> None:
    sample = Sample(people=80)
    campaign = sample.campaign("Kind of Blue", 3)
    roll_up.run()
    client = member(sample.workspace)
    shown = client.get(reverse("site:reasons", args=[campaign.pk]))
    first = shown.context["lines"][0]
    behind = client.get(first["url"])
    assert len(behind.context["lines"]) == first["failure"].found.mails
    assert stranger().get(reverse("site:reasons", args=[campaign.pk])).status_code == 404


def test_it_asks_little_of_the_database(django_assert_max_num_queries: Any) -> None:
    campaign = active()
    for _ in range(5):
        lifecycle.note(campaign, MembershipFactory().user, "Looked at it")
    client = member(campaign.workspace)
    with django_assert_max_num_queries(24):
        page(campaign, client)
