"""Campaigns in the admin: a form while a draft, a page to watch and steer after that."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import lifecycle
from campaigns.admin.campaigns import CampaignForm
from campaigns.models import Campaign, CampaignSender
from tests.factories import (
    CampaignFactory,
    MembershipFactory,
    SegmentFactory,
    SenderFactory,
    TemplateFactory,
)

Status = Campaign.Status


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.MANAGER).user)
    return client


def change(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def form(campaign: Campaign, **changes: Any) -> dict[str, Any]:
    share = campaign.sender_shares.get()
    return {
        "name": campaign.name,
        "audience": campaign.audience,
        "segment": campaign.segment_id,
        "template": campaign.template_id,
        "clock": campaign.clock,
        "sender_shares-TOTAL_FORMS": 1,
        "sender_shares-INITIAL_FORMS": 1,
        "sender_shares-0-id": share.pk,
        "sender_shares-0-campaign": campaign.pk,
        "sender_shares-0-sender": share.sender_id,
        "sender_shares-0-weight": share.weight,
        **changes,
    }


def test_tracking_and_utm_parameters_are_chosen_in_the_form_and_frozen(staff: Client) -> None:
    body = '<a href="https://s.example/">x</a>'
    campaign = CampaignFactory(name="Spring sale", template=TemplateFactory(body=body))
    staff.post(change(campaign), form(campaign, tracked="on", utm="on", utm_source="news"))
    campaign.refresh_from_db()
    lifecycle.activate(campaign)
    assert campaign.tracked
    [link] = campaign.content.links
    assert link["url"] == "https://s.example/?utm_source=news&utm_medium=email&utm_campaign=Spring%20sale"
    assert 'href="https://s.example/"' in campaign.content.html


def test_a_campaign_without_tracking_adds_nothing(staff: Client) -> None:
    campaign = CampaignFactory()
    staff.post(change(campaign), form(campaign))
    campaign.refresh_from_db()
    assert (campaign.tracked, campaign.utm, campaign.utm_parameters()) == (False, False, {})


def test_a_campaign_is_made_with_its_senders(staff: Client) -> None:
    segment, template, sender = SegmentFactory(), TemplateFactory(), SenderFactory()
    data = {
        "name": "Spring",
        "audience": "segment",
        "segment": segment.pk,
        "template": template.pk,
        "clock": "customer",
        "start_date": "2030-05-01",
        "start_time": "09:30",
        "sender_shares-TOTAL_FORMS": 1,
        "sender_shares-INITIAL_FORMS": 0,
        "sender_shares-0-sender": sender.pk,
        "sender_shares-0-weight": 3,
    }
    response = staff.post(reverse("admin:campaigns_campaign_add"), data)
    campaign = Campaign.objects.get()
    assert response.headers["Location"] == reverse("delivery:send", args=[campaign.pk])
    assert (campaign.segment, campaign.template, campaign.clock) == (segment, template, "customer")
    assert (str(campaign.start_date), str(campaign.start_time)) == ("2030-05-01", "09:30:00")
    assert campaign.created_by == Membership.objects.get().user
    assert list(CampaignSender.objects.values_list("sender", "weight")) == [(sender.pk, 3)]


def test_a_draft_is_changed_and_another_audience_lets_go_of_the_segment(staff: Client) -> None:
    campaign = CampaignFactory()
    data = form(campaign, name="Renamed", audience="both", **{"sender_shares-0-weight": 5})
    assert staff.post(change(campaign), data).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.name, campaign.audience, campaign.segment) == ("Renamed", "both", None)
    assert campaign.sender_shares.get().weight == 5


def test_a_start_time_needs_a_date(staff: Client) -> None:
    campaign = CampaignFactory()
    page = staff.post(change(campaign), form(campaign, start_time="09:30"))
    assert "The start time has no date" in page.text


def test_a_campaign_that_was_activated_meanwhile_is_not_changed(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form was checked while it was a draft; somebody activated it before the form was saved."""
    campaign = CampaignFactory(name="Before")
    data = form(campaign, name="After", **{"sender_shares-0-weight": 9})
    checked = CampaignForm.clean

    def then_activated(self: CampaignForm) -> dict[str, Any]:
        lifecycle.activate(Campaign.objects.get(pk=campaign.pk))
        return checked(self)

    monkeypatch.setattr(CampaignForm, "clean", then_activated)
    page = staff.post(change(campaign), data, follow=True)
    assert "Nothing was saved." in page.text
    campaign.refresh_from_db()
    assert campaign.name == "Before"
    assert campaign.sender_shares.get().weight == 1


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.PAUSED, Status.COMPLETED])
def test_after_the_draft_a_campaign_is_only_read_and_never_deleted(staff: Client, status: Status) -> None:
    campaign = CampaignFactory(name="Before")
    Campaign.objects.filter(pk=campaign.pk).update(status=status)
    assert staff.get(change(campaign)).status_code == 200
    assert staff.post(change(campaign), form(campaign, name="After")).status_code == 403
    delete = reverse("admin:campaigns_campaign_delete", args=[campaign.pk])
    assert staff.post(delete, {"post": "yes"}).status_code == 403
    campaign.refresh_from_db()
    assert campaign.name == "Before"


def test_a_draft_may_be_deleted(staff: Client) -> None:
    campaign = CampaignFactory()
    delete = reverse("admin:campaigns_campaign_delete", args=[campaign.pk])
    assert staff.post(delete, {"post": "yes"}).status_code == 302
    assert not Campaign.objects.exists()


def test_a_draft_leads_to_the_send_page(staff: Client) -> None:
    campaign = CampaignFactory()
    send = reverse("delivery:send", args=[campaign.pk])
    assert send in staff.get(change(campaign)).text


@pytest.mark.parametrize("draft", [True, False])
def test_a_campaigns_page_asks_as_much_for_many_senders_as_for_few(
    staff: Client, django_assert_max_num_queries: Any, draft: bool
) -> None:
    campaign = CampaignFactory(senders=[SenderFactory() for _ in range(12)])
    if not draft:
        lifecycle.activate(campaign)
    with django_assert_max_num_queries(45 if draft else 30):
        staff.get(change(campaign))


def test_the_site_says_when_sending_is_switched_off(staff: Client, settings: Any) -> None:
    said = "Sending is switched off for this installation"
    assert said not in staff.get(reverse("admin:index")).text
    settings.ENABLE_EMAIL_SCHEDULER = False
    assert said in staff.get(reverse("admin:index")).text
    assert said in staff.get(reverse("delivery:mailbox")).text


def test_deleting_a_draft_asks_first_says_what_it_means_and_leads_to_the_list(staff: Client) -> None:
    campaign = CampaignFactory(name="Spring")
    delete = reverse("admin:campaigns_campaign_delete", args=[campaign.pk])
    assert "nothing of it was sent" in staff.get(delete).text
    assert Campaign.objects.exists()
    response = staff.post(delete, {"post": "yes"})
    assert response.headers["Location"] == reverse("site:campaigns")
    assert "“Spring” is deleted" in staff.get(response.headers["Location"]).text
