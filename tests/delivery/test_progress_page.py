"""The progress panel: right numbers, one cheap look each time, and an end to the polling."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from analytics import roll_up
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery import breaker
from delivery.models import Progress, SendLog
from delivery.views.progress import Pace, time_left
from tests.delivery.staff import member, stranger
from tests.factories import CampaignFactory

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


def panel(campaign: Campaign, **query: Any) -> str:
    client = member(campaign.workspace)
    return client.get(reverse("delivery:campaign_progress", args=[campaign.pk]), query).content.decode()


def test_the_numbers_link_to_the_people_behind_them(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    Progress.objects.update(matched=12_345, sent=9_000, failed=45, suppressed=200, unknown=7)
    page = panel(campaign)
    assert "9,000 sent, 45 failed" in page
    assert 'aria-valuenow="74"' in page
    people = reverse("analytics:people", args=[campaign.pk])
    for number, name in {"9,000": "sent", "45": "failed", "200": "suppressed", "3,093": "waiting"}.items():
        assert f'<a href="{people}?number={name}"><b>{number}</b>' in page
    assert f'<a href="{reverse("delivery:unknown", args=[campaign.pk])}"><b>7</b>' in page


def test_the_people_behind_each_number_are_shown(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    SendLog.objects.filter(pk=SendLog.objects.first().pk).update(status="failed", reason="refused")
    roll_up.run()
    client = member(campaign.workspace)
    people = reverse("analytics:people", args=[campaign.pk])
    found = [client.get(people, {"number": number}) for number in ("failed", "waiting")]
    assert [len(response.context["lines"]) for response in found] == [1, 2]


def test_polling_reads_sums_and_never_the_ledger(
    active_campaign: MakeCampaign, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    campaign = active_campaign(3)
    client = member(campaign.workspace)
    with django_assert_max_num_queries(8) as queries:
        client.get(reverse("delivery:campaign_progress", args=[campaign.pk]))
    assert not any("delivery_sendlog" in query["sql"] for query in queries.captured_queries)


@pytest.mark.parametrize("compact", ["0", "1"])
def test_it_polls_while_active_and_stops_at_the_end(active_campaign: MakeCampaign, compact: str) -> None:
    campaign = active_campaign(3)
    before = panel(campaign, compact=compact)
    assert "every 2s" in before
    assert ("compact=1" in before) == (compact == "1")
    lifecycle.complete(campaign, result="3 of 3 sent")
    after = panel(campaign, compact=compact)
    assert "hx-get" not in after
    assert ("3 of 3 sent" in after) == (compact == "0")


def test_a_paused_campaign_says_why_and_does_not_poll(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    lifecycle.pause(campaign, reason="The sender was stopped.")
    page = panel(campaign)
    assert "The sender was stopped." in page
    assert "hx-get" not in page


@pytest.mark.parametrize(
    ("clock", "words"),
    [("workspace", '09:00 <span class="zone">UTC'), ("customer", "09:00 on each customer's own clock")],
)
def test_a_scheduled_campaign_says_when_it_starts(
    active_campaign: MakeCampaign, clock: str, words: str
) -> None:
    day = timezone.now().date() + timedelta(days=400)
    campaign = active_campaign(0, filled=False, start_date=day, start_time=time(9), clock=clock)
    page = panel(campaign)
    assert "scheduled" in page
    assert words in " ".join(page.split())
    assert "every 30s" in page
    assert "Waits for its start" in panel(campaign, compact="1")


def test_the_page_around_the_panel_is_loaded_anew_when_the_status_has_changed(
    active_campaign: MakeCampaign,
) -> None:
    """Its buttons are those of the status as it was."""
    campaign = active_campaign(3)
    client, url = member(campaign.workspace), reverse("delivery:campaign_progress", args=[campaign.pk])
    assert "HX-Refresh" not in client.get(url, {"status": "active"}).headers
    lifecycle.pause(campaign)
    assert client.get(url, {"status": "active"}).headers["HX-Refresh"] == "true"
    assert "HX-Refresh" not in client.get(url).headers


def test_nothing_filled_yet_is_said(active_campaign: MakeCampaign) -> None:
    assert "A worker will pick this campaign up" in panel(active_campaign(2, filled=False))


def test_switched_off_sending_is_said(active_campaign: MakeCampaign, settings: Settings) -> None:
    settings.ENABLE_EMAIL_SCHEDULER = False
    assert "ENABLE_EMAIL_SCHEDULER=false" in panel(active_campaign(2))


def test_a_draft_has_a_panel_too() -> None:
    campaign = CampaignFactory(start_date=date(2030, 1, 1))
    assert "0 sent, 0 failed" in panel(campaign)
    assert "hx-get" not in panel(campaign, compact="1")


def test_two_polls_give_pace_and_time_left(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    Progress.objects.update(matched=10_000_000, sent=5_000, filled_at=timezone.now())
    url = panel(campaign).split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    carried = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    carried["at"] = str(float(carried["at"]) - 10)
    carried["handed_over"] = "0"
    page = panel(campaign, **carried)
    assert "mails/s, about" in page
    assert "hours left" in page


def test_pace_is_smoothed_and_never_negative() -> None:
    first = Pace.measured(None, 100.0, 50)
    assert first.per_second == 0
    second = Pace.measured(first, 102.0, 250)
    assert second.per_second == 100
    assert Pace.measured(second, 104.0, 250).per_second == pytest.approx(60)
    assert Pace.measured(second, 102.0, 300).per_second == 100
    assert Pace.measured(Pace(0, 500, 0), 10.0, 0).per_second == 0


@pytest.mark.parametrize(
    "query",
    [
        "",
        "at=1",
        "at=x&handed_over=1&per_second=1",
        "at=nan&handed_over=1&per_second=1",
        "at=1&handed_over=1&per_second=inf",
    ],
)
def test_a_pace_that_makes_no_sense_is_forgotten(query: str) -> None:
    assert Pace.carried_by(QueryDict(query)) is None


@pytest.mark.parametrize(
    ("remaining", "per_second", "words"),
    [
        (0, 10, ""),
        (100, 0, ""),
        (100, 10, "less than a minute left"),
        (6_001, 10, "about 11 minutes left"),
        (1_000_000, 10, "about 28 hours left"),
    ],
)
def test_time_left_is_in_words(remaining: int, per_second: float, words: str) -> None:
    assert time_left(remaining, per_second) == words


def test_another_workspaces_campaign_is_not_found() -> None:
    url = reverse("delivery:campaign_progress", args=[CampaignFactory().pk])
    assert stranger().get(url).status_code == 404


def test_a_panel_whose_log_in_has_ended_reloads_its_page() -> None:
    url = reverse("delivery:campaign_progress", args=[CampaignFactory().pk])
    response = Client().get(url, headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Refresh"]) == (403, "true")
    assert Client().get(url).status_code == 302


def test_sender_that_cannot_be_reached_is_named_with_the_reason(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    sender = campaign.senders.get()
    breaker.failed(sender, "The server takes no connections on this port.")
    page = panel(campaign)
    assert f"“{sender.name}” hands nothing over for now: The server takes no connections" in page
    breaker.recovered(sender)
    assert "hands nothing over" not in panel(campaign)
