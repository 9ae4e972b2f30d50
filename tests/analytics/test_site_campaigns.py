"""The list of campaigns: where each is, found by name and status, steered without leaving it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from analytics import roll_up
from analytics.views.site import campaigns as campaigns_view
from audience.models import Membership
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.models import Progress
from tests.analytics.sample import Sample
from tests.delivery.staff import customer_of_the_site, member, superuser
from tests.factories import CampaignFactory, MembershipFactory, WorkspaceFactory

PANEL = {"HX-Request": "true", "HX-Target": "monitor"}


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.MANAGER).user)
    return client


def names(client: Client, **query: Any) -> list[str]:
    page = client.get(reverse("site:campaigns"), query)
    return [line.campaign.name for line in page.context["lines"]]


def test_an_empty_list_says_how_to_begin(staff: Client) -> None:
    page = staff.get(reverse("site:campaigns")).text
    assert "No campaign yet" in page and "New campaign" in page
    assert "No campaign is like that" in staff.get(reverse("site:campaigns"), {"q": "x"}).text


def test_campaigns_are_found_by_status_and_by_part_of_their_name(staff: Client) -> None:
    for name, act in (("Spring draft", ""), ("Spring sale", "activate"), ("Autumn", "activate")):
        campaign = CampaignFactory(name=name)
        if act:
            lifecycle.activate(campaign)
    lifecycle.pause(Campaign.objects.get(name="Autumn"))
    assert names(staff) == ["Autumn", "Spring sale", "Spring draft"]
    assert names(staff, status="drafts") == ["Spring draft"]
    assert names(staff, status="paused") == ["Autumn"]
    assert names(staff, q="SPRING", status="running") == ["Spring sale"]
    assert names(staff, status="nonsense", before="x") == names(staff)


def test_pages_follow_each_other(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns_view, "PAGE", 2)
    made = [CampaignFactory(name=name) for name in "abcde"]
    assert names(staff) == ["e", "d"]
    assert names(staff, before=made[3].pk) == ["c", "b"]
    page = staff.get(reverse("site:campaigns"), {"before": made[1].pk})
    assert [line.campaign.name for line in page.context["lines"]] == ["a"] and not page.context["older"]


def test_a_line_has_progress_pace_and_results(client: Client, db: None) -> None:
    sample = Sample(people=60)
    campaign = sample.campaign("Kind of Blue", 3, charm=2)
    client.force_login(MembershipFactory(workspace=sample.workspace).user)
    roll_up.run()
    [line] = client.get(reverse("site:campaigns")).context["lines"]
    assert line.campaign == campaign
    assert line.results["opened"].value > line.results["clicked"].value > 0
    assert line.progress.sent == Progress.objects.get().sent > 0


def test_the_pace_is_carried_from_look_to_look(staff: Client) -> None:
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    sums = Progress.objects.create(campaign=campaign, matched=9000, filled_at=campaign.activated_at)
    first = staff.get(reverse("site:campaigns"), headers=PANEL)
    assert [line.per_second for line in first.context["lines"]] == [0]
    Progress.objects.filter(pk=sums.pk).update(sent=600)
    second = staff.get(first.context["again"], headers=PANEL)
    [line] = second.context["lines"]
    assert line.per_second > 0 and line.time_left
    assert "<html" not in second.text and second.context["seconds"] == campaigns_view.SECONDS


@pytest.mark.parametrize("pace", ["x", "1_2", "1_nan_3_4", "_____", "1_1e999_1_1"])
def test_a_pace_that_makes_no_sense_is_passed_over(staff: Client, pace: str) -> None:
    lifecycle.activate(CampaignFactory())
    assert staff.get(reverse("site:campaigns"), {"pace": pace}).status_code == 200


def test_a_scheduled_campaign_shows_its_start(staff: Client) -> None:
    lifecycle.activate(CampaignFactory(start_date=date(2999, 1, 1)))
    [line] = staff.get(reverse("site:campaigns")).context["lines"]
    assert (line.status, line.is_moving) == ("scheduled", False)


@pytest.mark.parametrize(
    ("role", "shown"), [("owner", "Start"), ("manager", "Start"), ("editor", "Copy"), ("analyst", "")]
)
def test_everybody_is_offered_what_they_may_do(db: None, role: str, shown: str) -> None:
    campaign = CampaignFactory()
    page = member(campaign.workspace, Membership.Role(role)).get(reverse("site:campaigns")).text
    start, copy = (reverse(f"delivery:{view}", args=[campaign.pk]) for view in ("start", "clone"))
    assert (start in page, copy in page) == (shown == "Start", shown != "")


def test_it_shows_ones_own_workspaces_only(staff: Client) -> None:
    CampaignFactory(name="Own")
    CampaignFactory(name="Foreign", workspace=WorkspaceFactory(slug="other"))
    assert names(staff) == ["Own"]
    assert names(superuser()) == ["Foreign", "Own"]
    for client in (Client(), customer_of_the_site()):
        assert client.get(reverse("site:campaigns")).status_code == 302


def test_many_campaigns_cost_no_more_queries_than_one(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        campaign = CampaignFactory()
        if number % 2:
            lifecycle.activate(campaign)
            Progress.objects.create(campaign=campaign, matched=9)
    staff.get(reverse("site:campaigns"))  # Counts what is new.
    with django_assert_max_num_queries(18):
        staff.get(reverse("site:campaigns"))
