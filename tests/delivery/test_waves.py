"""The waves of a draft: the same moments that filling gives its rows."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
import time_machine

from audience.models import Workspace
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.fill import fill_page
from delivery.models import SendLog
from delivery.waves import waves
from tests.factories import CampaignFactory, CustomerFactory

pytestmark = pytest.mark.django_db


def people() -> None:
    for zone, hour in (
        ("Europe/London", None),
        ("America/New_York", 8),
        ("America/New_York", 20),
        ("", None),
    ):
        CustomerFactory.create_batch(2, time_zone=zone, best_hour=hour)
    CustomerFactory(time_zone="Asia/Tokyo", subscribed=False)
    Workspace.objects.update(time_zone="Europe/Berlin")


@time_machine.travel(datetime(2030, 5, 1, 6, tzinfo=UTC), tick=False)
@pytest.mark.parametrize(
    ("clock", "start"),
    [("customer", date(2030, 5, 9)), ("best", date(2030, 5, 9)), ("best", None)],
)
def test_they_are_the_moments_at_which_the_rows_come_due(clock: str, start: date | None) -> None:
    people()
    campaign = CampaignFactory(clock=clock, start_date=start, start_time=time(9, 30) if start else None)
    told = {wave.at: wave.people for wave in waves(campaign)}
    lifecycle.activate(campaign)
    Campaign.objects.update(activated_at=datetime.now(UTC))
    campaign.refresh_from_db()
    while fill_page(campaign):
        pass
    due: dict[datetime, int] = {}
    for moment in SendLog.objects.filter(status="queued").values_list("due_at", flat=True):
        due[moment] = due.get(moment, 0) + 1
    assert told == due and len(told) == (3 if clock == "customer" else len(due))


def test_they_come_in_order_with_where_they_are() -> None:
    people()
    found = waves(CampaignFactory(clock="customer", start_date=date(2040, 5, 9)))
    zones = [(wave.people, wave.zones) for wave in found]
    assert zones == [(2, ["Europe/Berlin"]), (2, ["Europe/London"]), (4, ["America/New_York"])]


@pytest.mark.parametrize(("clock", "start"), [("workspace", date(2040, 5, 9)), ("customer", None)])
def test_without_local_clocks_there_are_none(clock: str, start: date | None) -> None:
    people()
    assert waves(CampaignFactory(clock=clock, start_date=start)) == []
