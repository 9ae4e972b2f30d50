"""Step 3 of a draft: its start, saved by itself."""

from __future__ import annotations

from datetime import date, time

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import lifecycle
from campaigns.models import Campaign
from tests.delivery.staff import customer_of_the_site, member, stranger
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db


def save(campaign: Campaign, client: Client | None = None, **fields: str) -> HttpResponse:
    url = reverse("delivery:send_schedule", args=[campaign.pk])
    data = {"start_date": "2040-02-29", "start_time": "09:30", "clock": "customer"} | fields
    response: HttpResponse = (client or member(campaign.workspace)).post(url, data)
    campaign.refresh_from_db()
    return response


def test_the_start_is_saved_and_the_page_told_to_look_again() -> None:
    campaign = CampaignFactory()
    response = save(campaign)
    assert (campaign.start_date, campaign.start_time, campaign.clock) == (
        date(2040, 2, 29),
        time(9, 30),
        "customer",
    )
    assert response.headers["HX-Trigger"] == "saved"
    page = response.content.decode()
    assert "Wednesday 29 February 2040, 09:30 on each customer's own clock" in page and "Saved." in page


def test_what_is_entered_is_saved_at_once_and_said_from_what_is_stored() -> None:
    campaign = CampaignFactory()
    url = reverse("delivery:compose_schedule", args=[campaign.pk])
    data = {"start_date": "2040-02-29", "start_time": "", "clock": "workspace"}
    client = member(campaign.workspace)
    response = client.post(url, data, headers={"HX-Request": "true"})
    assert response.headers["HX-Trigger"] == "saved"
    assert "Wednesday 29 February 2040, 00:00" in response.content.decode()
    campaign.refresh_from_db()
    assert campaign.start_date == date(2040, 2, 29)
    assert 'value="2040-02-29"' in client.get(url).content.decode()


def test_without_a_date_it_starts_at_once_again() -> None:
    campaign = CampaignFactory(start_date=date(2040, 1, 1))
    save(campaign, start_date="", start_time="", clock="workspace")
    assert campaign.start_date is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start_date": ""}, "The start time has no date"),
        ({"start_date": "tomorrow"}, "Write the date as 2026-12-31"),
        ({"start_time": "25:00"}, "Write the time as 09:30"),
        ({"clock": "moon"}, "Choose one of these"),
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(fields: dict[str, str], words: str) -> None:
    campaign = CampaignFactory(start_date=date(2040, 1, 1))
    response = save(campaign, **fields)
    assert words in response.content.decode() and "HX-Trigger" not in response.headers
    assert (campaign.start_date, campaign.start_time, campaign.clock) == (date(2040, 1, 1), None, "workspace")


def test_only_a_draft_can_be_changed() -> None:
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    assert "Nothing was saved. Only a draft can be changed" in save(campaign).content.decode()
    assert campaign.start_date is None


@pytest.mark.parametrize(("role", "status"), [(Membership.Role.EDITOR, 200), (Membership.Role.ANALYST, 403)])
def test_editors_may_and_analysts_may_not(role: Membership.Role, status: int) -> None:
    campaign = CampaignFactory()
    assert save(campaign, member(campaign.workspace, role)).status_code == status
    assert (campaign.start_date is None) == (status == 403)


def test_an_analyst_reads_the_start() -> None:
    campaign = CampaignFactory(start_date=date(2040, 2, 29), clock=Campaign.Clock.BEST)
    client = member(campaign.workspace, Membership.Role.ANALYST)
    page = client.get(reverse("delivery:send", args=[campaign.pk])).content.decode()
    assert "Wednesday 29 February 2040, 00:00, and at each customer's own best hour after it" in page
    assert "Change the schedule" not in page


def test_strangers_find_nothing_and_others_are_asked_to_log_in() -> None:
    campaign = CampaignFactory()
    assert save(campaign, stranger()).status_code == 404
    assert [save(campaign, client).status_code for client in (Client(), customer_of_the_site())] == [302, 302]
    assert campaign.start_date is None
