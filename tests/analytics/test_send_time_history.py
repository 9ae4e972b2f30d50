"""What is read from the ledger and its events: on the customers' clocks, and from people only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from analytics.send_time import history
from analytics.send_time.clocks import hours_of_week
from analytics.send_time.history import History
from audience.models import Workspace
from campaigns.models import Campaign
from delivery.models import Event, SendLog
from tests.analytics.reactions import NOW, mail, react
from tests.factories import CampaignFactory, CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
# A Tuesday, eight days before.
SENT = datetime(2026, 6, 9, 7, 30, tzinfo=UTC)
TUESDAY = 24


def read(workspace: Workspace | None = None, **how: Any) -> History:
    (chunk,) = history.read(workspace or Workspace.objects.get(slug="acme"), NOW, **how)
    return chunk


@pytest.mark.parametrize(
    ("zone", "hour"), [("", 7), ("Europe/Berlin", 9), ("America/New_York", 3), ("Asia/Kolkata", 13)]
)
def test_hours_are_those_of_the_customers_clock(zone: str, hour: int) -> None:
    mail(CustomerFactory(time_zone=zone), SENT, clicked=SENT + timedelta(hours=3))
    found = read()
    assert (found.sent.tolist(), found.delay.tolist()) == ([TUESDAY + hour], [3])
    assert found.reacted_by_person().argmax() == (hour + 3) % 24


def test_clocks_go_forward_and_back() -> None:
    hours = [datetime(2026, month, 3, 8, tzinfo=UTC) for month in (3, 6)]
    since_1970 = np.array([int(at.timestamp()) // 3600 for at in hours])
    found = hours_of_week(["Europe/Berlin"], np.array([0, 0]), since_1970)
    assert (found % 24).tolist() == [9, 10]
    assert (found // 24).tolist() == [at.weekday() for at in hours]


def test_customers_without_a_zone_go_by_the_workspaces() -> None:
    workspace = WorkspaceFactory(time_zone="Asia/Tokyo")
    mail(CustomerFactory(workspace=workspace), SENT)
    assert read().sent.tolist() == [TUESDAY + 16]


def test_a_click_counts_more_than_an_opening_and_an_opening_before_it_nothing() -> None:
    clicked, opened, silent = CustomerFactory.create_batch(3)
    mail(clicked, SENT, opened=SENT + timedelta(hours=1), clicked=SENT + timedelta(hours=5))
    mail(opened, SENT, opened=SENT + timedelta(hours=2))
    mail(silent, SENT)
    found = read()
    order = np.argsort(found.person)
    assert found.value[order].tolist() == [history.CLICK, history.OPEN, 0]
    assert found.delay[order].tolist() == [5, 2, 0]


def test_the_first_click_counts_whatever_comes_later() -> None:
    row = mail(CustomerFactory(), SENT, clicked=SENT + timedelta(hours=4))
    react(row, Event.Type.CLICKED, SENT + timedelta(hours=2))
    assert read().delay.tolist() == [2]


@pytest.mark.parametrize("hours", [-1, 48, 300])
def test_a_reaction_out_of_time_is_none(hours: int) -> None:
    mail(CustomerFactory(), SENT, clicked=SENT + timedelta(hours=hours))
    assert read().value.tolist() == [0]


@pytest.mark.parametrize("verdict", [v for v in Event.Verdict.values if v != Event.Verdict.PERSON])
def test_machines_do_not_count(verdict: str) -> None:
    mail(CustomerFactory(), SENT, clicked=SENT, opened=SENT, verdict=verdict)
    assert read().value.tolist() == [0]


def test_what_nobody_has_judged_does_not_count() -> None:
    mail(CustomerFactory(), SENT, clicked=SENT, source=Event.Source.PROVIDER, verdict="")
    assert read().value.tolist() == [0]


def test_old_mails_count_less_and_very_old_ones_not_at_all() -> None:
    customer = CustomerFactory()
    for weeks in (history.HALF_LIFE_WEEKS, history.WEEKS + 1):
        mail(customer, NOW - timedelta(weeks=weeks))
    assert read().recency.tolist() == pytest.approx([0.5], rel=0.01)


def test_a_mail_whose_reactions_are_still_coming_is_left_out() -> None:
    customer = CustomerFactory()
    mail(customer, NOW - timedelta(hours=47))
    assert read().sent.tolist() == []


def test_only_what_was_sent_counts() -> None:
    SendLog.objects.filter(pk=mail(CustomerFactory(), SENT).pk).update(status=SendLog.Status.FAILED)
    assert read().sent.tolist() == []


def test_mails_at_own_hours_are_told_apart() -> None:
    customer = CustomerFactory()
    mail(customer, SENT, campaign=CampaignFactory(clock=Campaign.Clock.BEST))
    mail(customer, SENT, campaign=CampaignFactory())
    found = read()
    assert sorted(found.own_hour.tolist()) == [False, True]
    assert len(found.only(found.own_hour).sent) == 1


def test_everybody_is_read_once_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CHUNK", 3)
    customers = CustomerFactory.create_batch(8)
    CustomerFactory(workspace__slug="other")
    for customer in customers:
        mail(customer, SENT)
    chunks = list(history.read(Workspace.objects.get(slug="acme"), NOW))
    assert [len(chunk.customers) for chunk in chunks] == [3, 3, 2]
    assert [pk for chunk in chunks for pk in chunk.customers] == [customer.pk for customer in customers]
    assert all(len(chunk.sent) == len(chunk.customers) for chunk in chunks)


def test_a_sample_is_spread_evenly() -> None:
    for customer in CustomerFactory.create_batch(9):
        mail(customer, SENT)
    found = read(every=3)
    assert len(found.customers) == len(found.sent) == 3
    assert set((found.customers % 3).tolist()) == {0}


def test_a_deleted_customer_is_nobodys_mail() -> None:
    kept, deleted, last = CustomerFactory.create_batch(3)
    for customer in (kept, deleted, last):
        mail(customer, SENT)
    deleted.delete()
    assert read().person.tolist() == [0, 1]
