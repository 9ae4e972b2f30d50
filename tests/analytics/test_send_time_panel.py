"""The panel that suggests a start on the send page: each of its states, and who may accept it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from analytics.models import SendProfile
from analytics.send_time.model import WEEK
from audience.models import Membership
from campaigns import lifecycle
from campaigns.models import Campaign
from tests.analytics.test_send_time_suggest import NOW, THURSDAY_20, profile
from tests.delivery.staff import customer_of_the_site, member, stranger
from tests.factories import CampaignFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wednesday")]


@pytest.fixture
def wednesday() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def panel(campaign: Campaign, client: Client | None = None) -> str:
    response = (client or member(campaign.workspace)).get(reverse("analytics:send_time", args=[campaign.pk]))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_without_history_it_says_so_and_claims_no_gain() -> None:
    page = panel(CampaignFactory())
    assert "not enough history yet: the usual hours" in page
    assert "Use Thu 18 Jun, 08:00" in page
    assert "more clicks" not in page and "own hour" not in page


def test_a_little_history_is_counted() -> None:
    campaign = CampaignFactory()
    profile(campaign, is_enough=False, campaigns=2)
    assert "2 campaigns in 40 weeks" in panel(campaign)


def test_a_suggestion_has_its_reason_its_gain_and_its_doubt() -> None:
    campaign = CampaignFactory()
    profile(campaign)
    page = panel(campaign)
    assert "Best time: Thursday 18 June, 20:00" in page
    assert "gets 1.2 times the clicks and opens of one at an average hour" in page
    assert "About 20 % more clicks and opens, between 11 % and 29 %" in page
    assert "against sending now" in page
    assert "Use Thu 18 Jun, 20:00" in page


def test_a_gain_in_doubt_is_called_a_perhaps() -> None:
    campaign = CampaignFactory()
    draws = np.ones((20, WEEK))
    draws[:, THURSDAY_20] = np.linspace(0.9, 1.3, 20)
    profile(campaign, draws=draws)
    assert "Perhaps 10 % more clicks and opens; it may be anything between −8 % and 28 %" in panel(campaign)


def test_accepting_is_one_click_and_then_it_is_said_to_be_the_best() -> None:
    campaign = CampaignFactory()
    profile(campaign)
    client = member(campaign.workspace)
    fields = {"start_date": "2026-06-18", "start_time": "20:00", "clock": "workspace"}
    page = panel(campaign, client)
    assert all(f'name="{name}" value="{value}"' in page for name, value in fields.items())
    assert reverse("delivery:send_schedule", args=[campaign.pk]) in page
    saved = client.post(reverse("delivery:send_schedule", args=[campaign.pk]), fields)
    assert 'value="2026-06-18"' in saved.content.decode()
    campaign.refresh_from_db()
    assert (campaign.start_date, campaign.start_time) == (date(2026, 6, 18), time(20))
    page = panel(campaign, client)
    assert "This is the best time we know" in page and "Use Thu" not in page


def test_a_start_that_is_as_good_is_left_in_peace() -> None:
    campaign = CampaignFactory(start_date=date(2026, 6, 19), start_time=time(10))
    profile(campaign, draws=np.ones((20, WEEK)))
    assert "The chosen start is as good as any" in panel(campaign)


def test_own_hours_are_offered_when_there_are_some_and_explained_when_chosen() -> None:
    campaign = CampaignFactory()
    profile(campaign, own_hours=1234, own_gain=0.14)
    page = panel(campaign)
    assert "Everybody at their own hour" in page
    assert "1,234 customers have shown an hour of their own" in page and "between 3 % and 14 % more" in page
    Campaign.objects.update(clock=Campaign.Clock.BEST)
    page = panel(campaign)
    assert "Everybody at their own best hour" in page and "all others get it at 9:00" in page
    assert "<button" not in page


def test_an_analyst_reads_and_has_nothing_to_press() -> None:
    campaign = CampaignFactory()
    profile(campaign, own_hours=3)
    page = panel(campaign, member(campaign.workspace, Membership.Role.ANALYST))
    assert "Best time" in page and "<button" not in page


def test_what_is_no_draft_any_more_has_nothing_to_press() -> None:
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    assert "<button" not in panel(campaign)


def test_strangers_find_nothing_and_others_are_asked_to_log_in() -> None:
    url = reverse("analytics:send_time", args=[CampaignFactory().pk])
    assert stranger().get(url).status_code == 404
    assert [client.get(url).status_code for client in (Client(), customer_of_the_site())] == [302, 302]


def test_it_asks_little_of_the_database(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    campaign = CampaignFactory()
    profile(campaign)
    client = member(campaign.workspace)
    with django_assert_max_num_queries(8):
        panel(campaign, client)


def test_the_schedule_loads_it() -> None:
    campaign = CampaignFactory()
    url = reverse("delivery:compose_schedule", args=[campaign.pk])
    page = member(campaign.workspace).get(url).content.decode()
    assert f'hx-get="{reverse("analytics:send_time", args=[campaign.pk])}"' in page


def test_one_workspace_says_nothing_about_another() -> None:
    other = CampaignFactory(workspace__slug="other")
    profile(other)
    assert "not enough history" in panel(CampaignFactory())
    assert SendProfile.objects.get().computed_at == datetime(2026, 6, 17, 8, 20, tzinfo=UTC)
