"""Goals: what people did elsewhere after a mail, counted once, for the last mail before it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from analytics import ledger_sums, roll_up, totals
from analytics.models import GoalSum
from analytics.totals import Scope, Totals
from campaigns.models import Campaign
from delivery.models import Progress, SendLog
from tests.analytics.history import START, did, event, mail
from tests.api.program import Program
from tests.factories import CampaignFactory, UserFactory

pytestmark = pytest.mark.django_db
DAY = 24 * 60


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setattr(ledger_sums, "REST", 0)
    made: Campaign = CampaignFactory(
        name="Spring", goal_event="order_placed", goal_days=7, goal_value="total"
    )
    Progress.objects.create(campaign=made)
    return made


def counted(campaign: Campaign, step: int | None = None) -> Totals:
    roll_up.run()
    return totals.of(Scope([campaign.pk], step))


def click(row: SendLog, minutes: int = 60, verdict: str = "person") -> Any:
    return event(row, "clicked", minutes=minutes, verdict=verdict)


def test_what_somebody_does_counts_after_the_mail_and_apart_after_a_click(campaign: Campaign) -> None:
    clicked, quiet = mail(campaign), mail(campaign)
    click(clicked)
    did(clicked, 90, total=20)
    did(clicked, 95, total=5.5)
    did(quiet, 90, total=100)
    found = counted(campaign)
    assert (found.goal_clicked, found.goal_clicked_events, found.goal_clicked_value) == (1, 2, 25_500)
    assert (found.goal_sent, found.goal_sent_events, found.goal_sent_value) == (2, 3, 125_500)


@pytest.mark.parametrize(
    ("minutes", "after_click", "after_mail"),
    [(-1, 0, 0), (30, 0, 1), (60, 1, 1), (7 * DAY - 1, 1, 1), (7 * DAY, 1, 0), (7 * DAY + 60, 0, 0)],
)
def test_the_window_begins_with_the_click_or_the_mail_and_lasts_so_many_days(
    campaign: Campaign, minutes: int, after_click: int, after_mail: int
) -> None:
    row = mail(campaign)
    click(row, 60)
    did(row, minutes)
    found = counted(campaign)
    assert (found.goal_clicked, found.goal_sent) == (after_click, after_mail)


def test_other_events_other_people_and_other_workspaces_do_not_count(campaign: Campaign) -> None:
    row, other = mail(campaign), mail(CampaignFactory())
    click(row)
    did(row, 90, name="page_viewed")
    did(other, 90)
    found = counted(campaign)
    assert (found.goal_clicked, found.goal_sent) == (0, 0)


def test_of_two_mails_of_a_flow_the_later_one_counts(campaign: Campaign) -> None:
    first = mail(campaign)
    second = mail(campaign, step=2, customer=first.customer, sent_at=START + timedelta(days=2))
    did(first, DAY, total=1)
    did(second, 3 * DAY, total=2)
    assert counted(campaign).goal_sent_value == 3_000
    assert [counted(campaign, step).goal_sent_value for step in (1, 2)] == [1_000, 2_000]


@pytest.mark.parametrize("order", ["event first", "click first", "mail settled last"])
def test_clicks_and_events_may_come_in_any_order(campaign: Campaign, order: str) -> None:
    row = mail(campaign, **({"status": "sending"} if order == "mail settled last" else {}))
    steps = [lambda: click(row), lambda: did(row, 90, total=1)]
    for step in steps if order == "click first" else reversed(steps):
        step()
        roll_up.run()
    with transaction.atomic():
        SendLog.objects.filter(pk=row.pk).update(status="sent")
        Progress.objects.update(sent=1)
    found = counted(campaign)
    assert (found.goal_clicked_value, found.goal_sent_value) == (1_000, 1_000)


def test_a_click_that_turns_out_to_be_a_machines_counts_no_more(campaign: Campaign) -> None:
    row = mail(campaign)
    hit = click(row)
    did(row, 90)
    assert counted(campaign).goal_clicked == 1
    type(hit).objects.filter(pk=hit.pk).update(verdict="scanner", rejudged_at=hit.received_at)
    assert counted(campaign).goal_clicked == 0


def test_a_mail_that_bounced_has_reached_nobody(campaign: Campaign) -> None:
    row = mail(campaign)
    did(row, 90)
    assert counted(campaign).goal_sent == 1
    event(row, "bounced", bounce="hard")
    assert counted(campaign).goal_sent == 0


def test_a_value_that_is_no_number_adds_nothing(campaign: Campaign) -> None:
    row = mail(campaign)
    did(row, 90, total="20")
    did(row, 91, total=True)
    did(row, 92)
    did(row, 93, total=10**12)
    found = counted(campaign)
    assert (found.goal_sent_events, found.goal_sent_value) == (4, 0)


def test_the_api_says_the_goal_with_both_bases_and_its_value_as_it_was_reported(campaign: Campaign) -> None:
    program = Program(campaign.workspace)
    path = f"/campaigns/{campaign.pk}/report"
    assert program.get(path).json()["goal"] == {
        "event": "order_placed",
        "days": 7,
        "value": "total",
        "after_click": {"mails": 0, "events": 0, "value": 0.0},
        "after_sending": {"mails": 0, "events": 0, "value": 0.0},
    }
    GoalSum.objects.create(campaign=campaign, step=1, clicked=False, mails=2, events=3, value=125_500)
    reached = program.get(path).json()["goal"]["after_sending"]
    assert reached == {"mails": 2, "events": 3, "value": 125.5}
    Campaign.objects.update(goal_event="")
    assert program.get(path).json()["goal"] is None


def test_the_report_shows_the_goal_with_the_people_behind_it(campaign: Campaign) -> None:
    row = mail(campaign)
    click(row)
    did(row, 90, total=19.99)
    roll_up.run()
    staff = Client()
    staff.force_login(UserFactory(is_superuser=True))
    page = staff.get(f"/reports/campaigns/{campaign.pk}/").text
    assert "Goal: order_placed within 7 days" in page and "total 19.99" in page
    for number in ("goal_clicked", "goal_sent"):
        address = f"/reports/campaigns/{campaign.pk}/people/?number={number}"
        assert row.email in staff.get(address).text
        csv = b"".join(staff.get(f"{address}&csv=people").streaming_content).decode()  # type: ignore[attr-defined]
        assert csv.count("\n") == 2 and f"{row.email},{row.customer_id}" in csv and "19.99" in csv
    steps = b"".join(staff.get(f"/reports/campaigns/{campaign.pk}/?csv=steps").streaming_content)  # type: ignore[attr-defined]
    assert b"Goal after a click: total" in steps and b"19.99" in steps
