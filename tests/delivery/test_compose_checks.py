"""What the review looks into, beside the numbers: the mail, the holes, the waves, the end."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audience.models import Workspace
from campaigns.models import Campaign, SenderLimit
from delivery import pace
from delivery.models import Progress
from tests.delivery.staff import member, stranger
from tests.factories import CampaignFactory, CustomerFactory, TemplateFactory

pytestmark = pytest.mark.django_db


def look(what: str, campaign: Campaign, client: Client | None = None) -> str:
    client = client or member(campaign.workspace)
    response = client.get(reverse(f"delivery:checks_{what}", args=[campaign.pk]))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def written(body: str, **columns: Any) -> Campaign:
    campaign: Campaign = CampaignFactory(template=TemplateFactory(body=body, subject="Hello"), **columns)
    return campaign


def test_doubts_are_said_with_their_places_and_holes_with_samples() -> None:
    CustomerFactory(email="ada@example.com")
    page = look("mail", written('<p>{{ customer_name }}</p><a href="shop.example">Shop</a>'))
    assert "lead nowhere" in page and "Shop: shop.example" in page
    assert "is empty for 1 of 1 people" in page and "For example ada@example.com" in page
    assert "unsubscribe.example.com" not in page


def test_a_mail_without_doubts_is_said_to_be_in_order() -> None:
    CustomerFactory(name="Ada", email="ada@example.com")
    page = look("mail", written('<p>{{ customer_name }}</p><a href="{{ unsubscribe_link }}">Bye</a>'))
    assert "are in order, as ada@example.com gets it" in page


@pytest.mark.parametrize("columns", [{"template": None}, {"segment": None}])
def test_what_is_a_problem_already_is_no_doubt(columns: dict[str, Any]) -> None:
    assert "note" not in look("mail", CampaignFactory(**columns))
    look("times", CampaignFactory(**columns))


def test_a_broken_template_is_no_crash() -> None:
    CustomerFactory()
    look("mail", written("{% if %}"))


def test_waves_are_a_table_in_the_workspaces_zone() -> None:
    CustomerFactory.create_batch(2, time_zone="Europe/London")
    CustomerFactory(time_zone="America/New_York")
    campaign = CampaignFactory(clock="customer", start_date=date(2040, 5, 9))
    Workspace.objects.update(time_zone="Europe/Berlin")
    page = look("times", campaign)
    assert "At, in Europe/Berlin" in page and "America/New_York" in page and "9 May 2040, 06:00" in page


def test_the_end_follows_from_the_limits_and_from_the_start() -> None:
    campaign = CampaignFactory()
    SenderLimit.objects.create(sender=campaign.senders.get(), mails=10, period=SenderLimit.Period.HOUR)
    now = timezone.now()
    end, because = pace.expected_of_draft(campaign, 25, now)
    # Ten leave at once, ten in the second hour, five in the third.
    assert end is not None and abs(end - now - timedelta(hours=2)) < timedelta(minutes=1)
    assert campaign.senders.get().name in because
    campaign.start_date = (now + timedelta(days=9)).date()
    later, _ = pace.expected_of_draft(campaign, 25, now)
    assert later is not None and later > end + timedelta(days=7)


def test_without_limits_the_pace_of_the_last_campaign_is_taken() -> None:
    campaign, now = CampaignFactory(), timezone.now()
    assert pace.expected_of_draft(campaign, 1000, now) == (None, "")
    last = CampaignFactory(workspace=campaign.workspace)
    moments = {"activated_at": now - timedelta(seconds=100), "finished_at": now}
    Campaign.objects.filter(pk=last.pk).update(status="completed", **moments)
    Progress.objects.create(campaign=last, matched=1000, sent=1000)
    end, because = pace.expected_of_draft(campaign, 5000, now)
    assert end is not None and round((end - now).total_seconds()) == 500 and because == ""


@pytest.mark.parametrize("what", ["mail", "times"])
def test_strangers_find_nothing(what: str) -> None:
    url = reverse(f"delivery:checks_{what}", args=[CampaignFactory().pk])
    assert stranger().get(url).status_code == 404
