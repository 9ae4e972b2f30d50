"""Steering a campaign: confirmed on a page of its own or by a click in the list, through one door."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import AuditEntry, Membership
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.models import Progress
from tests.delivery.staff import member, stranger
from tests.factories import CampaignFactory, MembershipFactory, SenderFactory
from tests.flows import leave, make_flow, on_flow, send

Status = Campaign.Status
HTMX = {"HX-Request": "true"}


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.MANAGER).user)
    return client


def steer(campaign: Campaign, action: str) -> str:
    return reverse("delivery:steer", args=[campaign.pk, action])


def active(**columns: Any) -> Campaign:
    campaign: Campaign = CampaignFactory(**columns)
    lifecycle.activate(campaign)
    return campaign


def test_a_page_to_confirm_changes_nothing_and_says_how_many_remain(staff: Client) -> None:
    campaign = active()
    Progress.objects.create(campaign=campaign, matched=5000, sent=1786)
    page = staff.get(steer(campaign, "pause")).text
    assert "Pause the campaign" in page and "3,214 remain." in page
    assert reverse("delivery:campaign_progress", args=[campaign.pk]) in page
    campaign.refresh_from_db()
    assert campaign.status == Status.ACTIVE


def test_its_post_acts_and_keeps_the_reason(staff: Client) -> None:
    campaign = active()
    page = staff.post(steer(campaign, "pause"), {"reason": "Wrong price"}, follow=True).text
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED
    transition = campaign.transitions.last()
    assert transition is not None
    assert (transition.reason, transition.actor) == ("Wrong price", Membership.objects.get().user)
    assert "Wrong price" in page and "Resume" in page


def test_a_click_in_the_list_acts_and_lets_the_list_look_again(staff: Client) -> None:
    campaign = active()
    Progress.objects.create(campaign=campaign, matched=5000, sent=1786)
    response = staff.post(steer(campaign, "pause"), headers=HTMX)
    assert (response.status_code, response.headers["HX-Trigger"]) == (204, "steered")
    page = staff.get(reverse("site:campaigns"), headers=HTMX | {"HX-Target": "monitor"}).text
    assert "is paused; 3,214 remain." in page


@pytest.mark.parametrize(
    ("action", "status"),
    [("complete", Status.COMPLETED), ("cancel", Status.CANCELLED), ("resume", Status.ACTIVE)],
)
def test_a_paused_campaign_goes_where_the_button_says(staff: Client, action: str, status: Status) -> None:
    campaign = active()
    lifecycle.pause(campaign)
    staff.post(steer(campaign, action))
    campaign.refresh_from_db()
    assert campaign.status == status


def test_what_is_no_longer_possible_is_refused_with_what_is(staff: Client) -> None:
    campaign = active()
    lifecycle.cancel(campaign)
    for ask in (staff.get, staff.post):
        assert "is cancelled and cannot be paused" in ask(steer(campaign, "pause"), follow=True).text
    campaign.refresh_from_db()
    assert campaign.status == Status.CANCELLED


def test_only_drumbeat_itself_fails_a_campaign_and_a_draft_is_reviewed(staff: Client) -> None:
    campaign = active()
    assert staff.post(steer(campaign, "fail")).status_code == 403
    assert staff.post(steer(campaign, "explode")).status_code == 404
    draft = CampaignFactory()
    review = reverse("delivery:send", args=[draft.pk])
    assert staff.get(steer(draft, "activate")).headers["Location"] == review


@pytest.mark.parametrize("role", [Membership.Role.EDITOR, Membership.Role.ANALYST])
def test_only_owners_and_managers_steer(db: None, role: Membership.Role) -> None:
    campaign = active()
    assert member(campaign.workspace, role).post(steer(campaign, "pause")).status_code == 403
    assert stranger().post(steer(campaign, "pause")).status_code == 404
    campaign.refresh_from_db()
    assert campaign.status == Status.ACTIVE


# --- Copies ------------------------------------------------------------------------------------------


def test_a_copy_is_a_draft_of_the_same_and_starts_at_once(staff: Client) -> None:
    senders = [SenderFactory(), SenderFactory()]
    campaign = active(
        name="Spring", senders=senders, utm=True, utm_source="news", start_date=date(2999, 1, 1)
    )
    campaign.sender_shares.filter(sender=senders[1]).update(weight=3)
    response = staff.post(reverse("delivery:clone", args=[campaign.pk]))
    made = Campaign.objects.exclude(pk=campaign.pk).get()
    assert response.headers["Location"] == reverse("delivery:compose_audience", args=[made.pk])
    assert (made.name, made.status, made.start_date) == ("Copy of Spring", "draft", None)
    assert (made.segment, made.template, made.utm_source) == (campaign.segment, campaign.template, "news")
    assert list(made.sender_shares.values_list("sender", "weight")) == [
        (senders[0].pk, 1),
        (senders[1].pk, 3),
    ]
    assert (made.content, made.created_by) == (None, Membership.objects.get().user)


def test_a_copy_from_the_list_stays_there_and_long_names_are_cut(staff: Client) -> None:
    campaign = CampaignFactory(name="x" * 150)
    response = staff.post(reverse("delivery:clone", args=[campaign.pk]), headers=HTMX)
    assert (response.status_code, response.headers["HX-Trigger"]) == (204, "steered")
    assert len(Campaign.objects.exclude(pk=campaign.pk).get().name) == 150


def test_an_analyst_copies_nothing(db: None) -> None:
    campaign = CampaignFactory()
    clone = reverse("delivery:clone", args=[campaign.pk])
    assert member(campaign.workspace, Membership.Role.ANALYST).post(clone).status_code == 403
    assert member(campaign.workspace).get(clone).status_code == 405
    assert stranger().post(clone).status_code == 404
    assert Campaign.objects.count() == 1


def test_a_paused_flow_is_resumed_by_way_of_what_is_overdue(staff: Client) -> None:
    campaign = on_flow(make_flow(send(1), leave(2)))
    lifecycle.activate(campaign)
    lifecycle.pause(campaign)
    resume = steer(campaign, "resume")
    line = staff.get(reverse("site:campaigns")).text
    assert f'href="{resume}"' in line and f'hx-post="{resume}"' not in line
    page = staff.get(resume).text
    assert 'name="overdue"' in page and "Shift everything by the length of the pause" in page
    staff.post(resume, {"overdue": "skip"})
    transition = campaign.transitions.last()
    assert transition is not None and "Skip the mails that are overdue" in transition.reason
    assert AuditEntry.objects.filter(action="resume").exists()


def test_a_flows_live_page_leads_to_the_people_in_it(staff: Client) -> None:
    campaign = on_flow(make_flow(send(1), leave(2)))
    lifecycle.activate(campaign)
    page = staff.get(reverse("site:campaign", args=[campaign.pk])).text
    people = reverse("admin:campaigns_campaign_people", args=[campaign.pk])
    assert people in page and "<dt>Subject</dt>" not in page
    assert staff.get(people).status_code == 200
