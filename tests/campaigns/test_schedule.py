from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from audience.models import Workspace
from campaigns import schedule
from campaigns.models import Campaign

BERLIN = Workspace(name="Acme", slug="acme", time_zone="Europe/Berlin")


def campaign(**start: object) -> Campaign:
    return Campaign(workspace=BERLIN, status=Campaign.Status.ACTIVE, **start)


def test_campaign_without_a_date_is_due_at_once() -> None:
    assert schedule.first_due(campaign()) is None
    assert not schedule.is_scheduled(campaign(), datetime(2026, 1, 1, tzinfo=UTC))


def test_start_is_on_the_workspaces_clock() -> None:
    start = campaign(start_date=date(2026, 7, 1), start_time=time(9))
    assert schedule.first_due(start) == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert schedule.is_scheduled(start, datetime(2026, 7, 1, 6, 59, tzinfo=UTC))
    assert not schedule.is_scheduled(start, datetime(2026, 7, 1, 7, tzinfo=UTC))


def test_on_customers_clocks_the_first_is_due_fourteen_hours_before_utc() -> None:
    start = campaign(start_date=date(2026, 7, 1), start_time=time(9), clock=Campaign.Clock.CUSTOMER)
    assert schedule.first_due(start) == datetime(2026, 6, 30, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("on_clock", "utc"),
    [
        # 02:30 does not exist on this day: it is 03:30, as much later as the clocks jump.
        (datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # noqa: DTZ001
        # 02:30 occurs twice on this day: the first.
        (datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2028, 2, 29, 0, 0), datetime(2028, 2, 28, 23, 0, tzinfo=UTC)),  # noqa: DTZ001
    ],
)
def test_odd_times_of_day_have_one_moment(on_clock: datetime, utc: datetime) -> None:
    assert schedule.moment_in(ZoneInfo("Europe/Berlin"), on_clock) == utc


def test_the_soonest_start_is_the_next_full_hour_on_the_campaigns_clock() -> None:
    now = datetime(2026, 7, 1, 9, 20, tzinfo=UTC)
    assert schedule.soonest_start(campaign(), now) == datetime(2026, 7, 1, 12)  # noqa: DTZ001
    own = campaign(clock=Campaign.Clock.CUSTOMER)
    assert schedule.soonest_start(own, now) == datetime(2026, 7, 2, 0)  # noqa: DTZ001


@pytest.mark.parametrize("clock", Campaign.Clock.values)
def test_the_soonest_start_does_not_lie_in_the_past(clock: str) -> None:
    now = datetime(2026, 7, 1, 9, 20, tzinfo=UTC)
    start = schedule.soonest_start(campaign(clock=clock), now)
    soonest = schedule.first_due(campaign(clock=clock, start_date=start.date(), start_time=start.time()))
    assert soonest is not None and now < soonest <= now + timedelta(hours=1)


@pytest.mark.parametrize(("hour", "day"), [(8, 2), (9, 1), (10, 1), (0, 2)])
def test_a_best_hour_is_the_first_within_a_day_of_the_start(hour: int, day: int) -> None:
    start = datetime(2026, 7, 1, 9)  # noqa: DTZ001
    found = schedule.moment_of_best_hour(ZoneInfo("Europe/Berlin"), start, hour)
    assert found == datetime(2026, 7, day, hour, tzinfo=ZoneInfo("Europe/Berlin"))


def test_a_best_hour_that_is_begun_comes_tomorrow() -> None:
    start = datetime(2026, 7, 1, 9, 1)  # noqa: DTZ001
    found = schedule.moment_of_best_hour(ZoneInfo("UTC"), start, 9)
    assert found == datetime(2026, 7, 2, 9, tzinfo=UTC)
