"""Time arithmetic over all zones of the IANA database, checked against the clock on the wall."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.flows.times import (
    LATE,
    Duration,
    QuietHours,
    UntilDate,
    UntilTime,
    anniversary,
    base,
    months_later,
)

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
MOMENTS = st.integers(0, 2_145_916_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
DAYS = st.integers(1, 800)


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


def shows(moment: datetime, zone: ZoneInfo, on_clock: datetime) -> bool:
    """Whether clocks show it at that moment, or would, had they not jumped over it."""
    local = moment.astimezone(zone).replace(tzinfo=None)
    if local == on_clock:
        return True
    before = (moment - timedelta(days=1, hours=2)).astimezone(zone).utcoffset()
    after = moment.astimezone(zone).utcoffset()
    assert before is not None and after is not None
    jumped = local - on_clock
    exists = on_clock.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == on_clock
    return not exists and timedelta() < jumped <= timedelta(hours=24)


@given(MOMENTS, ZONES, DAYS)
def test_days_later_clocks_show_the_same_time(moment: datetime, zone: ZoneInfo, days: int) -> None:
    end = Duration(days=days).end(moment, zone)
    local = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    assert end > moment
    assert shows(end, zone, local + timedelta(days=days))


@given(MOMENTS, ZONES, st.integers(0, 800), TIMES)
def test_days_later_at_a_time_of_day_clocks_show_that_time(
    moment: datetime, zone: ZoneInfo, days: int, at: time
) -> None:
    end = Duration(days=days, at=at).end(moment, zone)
    day = moment.astimezone(zone).date() + timedelta(days=days)
    candidates = [datetime.combine(day + timedelta(days=more), at) for more in range(3)]
    assert end >= moment
    assert any(shows(end, zone, on_clock) for on_clock in candidates)
    assert end - moment <= timedelta(days=days + 3)


@given(MOMENTS, ZONES, st.integers(0, 10_000), st.integers(0, 100_000))
def test_hours_and_minutes_pass_as_they_are(
    moment: datetime, zone: ZoneInfo, hours: int, minutes: int
) -> None:
    end = Duration(hours=hours, minutes=minutes).end(moment, zone)
    assert end - moment == timedelta(hours=hours, minutes=minutes)


@given(MOMENTS, ZONES, st.integers(1, 600))
def test_months_later_is_the_same_day_or_the_months_last(
    moment: datetime, zone: ZoneInfo, months: int
) -> None:
    day = moment.astimezone(zone).date()
    later = months_later(day, months)
    assert (later.year - day.year) * 12 + later.month - day.month == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)
    assert Duration(months=months).end(moment, zone) > moment


@given(MOMENTS, ZONES, TIMES, st.frozensets(st.integers(1, 7)))
def test_time_of_day_and_weekday_are_what_clocks_show(
    moment: datetime, zone: ZoneInfo, at: time, weekdays: frozenset[int]
) -> None:
    end = UntilTime(at, weekdays).end(moment, zone)
    assert moment <= end <= moment + timedelta(days=9)
    days = [end.astimezone(zone).date() + timedelta(days=back) for back in (0, -1)]
    assert any(
        shows(end, zone, datetime.combine(day, at)) and (not weekdays or day.isoweekday() in weekdays)
        for day in days
    )


@given(MOMENTS, ZONES, st.dates(date(1990, 1, 1), date(2030, 1, 1)), TIMES)
def test_date_that_is_over_is_not_waited_for(moment: datetime, zone: ZoneInfo, day: date, at: time) -> None:
    end = UntilDate(day, at).end(moment, zone)
    assert end >= moment
    assert end == moment or shows(end, zone, datetime.combine(day, at))


@given(MOMENTS, ZONES, TIMES, TIMES)
def test_nothing_is_sent_in_quiet_hours(moment: datetime, zone: ZoneInfo, start: time, until: time) -> None:
    if start == until:
        return
    quiet = QuietHours(start, until)
    end = quiet.end(moment, zone)
    assert end >= moment
    assert not quiet.hold(end.astimezone(zone).time())
    assert (end == moment) == (not quiet.hold(moment.astimezone(zone).time()))
    assert end - moment <= timedelta(hours=49)


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.integers(1900, 2100))
def test_anniversary_is_the_same_day_or_the_last_of_february(day: date, year: int) -> None:
    found = anniversary(day, year)
    assert found.year == year and found.month == day.month
    assert found.day == day.day or (day.month, day.day, found.day) == (2, 29, 28)


@pytest.mark.parametrize(
    ("wait", "start", "end"),
    [
        # Send, wait 3 days, send: 0 days after the wait.
        (Duration(days=3), "2026-03-09 09:00", "2026-03-12 09:00"),
        (Duration(days=3, at=time(9)), "2026-03-09 15:00", "2026-03-12 09:00"),
        (Duration(at=time(9)), "2026-03-09 15:00", "2026-03-10 09:00"),
        (Duration(at=time(9)), "2026-03-09 08:59", "2026-03-09 09:00"),
        (Duration(at=time(9)), "2026-03-09 09:00", "2026-03-09 09:00"),
        # Clocks go forward at 02:00 on 29 March, and back at 03:00 on 25 October.
        (Duration(days=1), "2026-03-28 09:00", "2026-03-29 09:00"),
        (Duration(days=1), "2026-03-28 02:30", "2026-03-29 03:30"),
        (Duration(days=2), "2026-03-28 02:30", "2026-03-30 02:30"),
        (Duration(days=1), "2026-10-24 02:30", "2026-10-25 02:30"),
        (Duration(hours=24), "2026-03-28 09:00", "2026-03-29 10:00"),
        (Duration(months=1), "2026-01-31 09:00", "2026-02-28 09:00"),
        (Duration(months=1), "2028-01-31 09:00", "2028-02-29 09:00"),
        (Duration(months=12), "2028-02-29 09:00", "2029-02-28 09:00"),
        (UntilTime(time(9), frozenset({1})), "2026-03-12 09:00", "2026-03-16 09:00"),
        (UntilTime(time(9), frozenset({4})), "2026-03-12 09:00", "2026-03-12 09:00"),
        (UntilTime(time(9), frozenset({4})), "2026-03-12 09:01", "2026-03-19 09:00"),
        (UntilDate(date(2026, 12, 24), time(18)), "2026-03-12 09:00", "2026-12-24 18:00"),
        (UntilDate(date(2026, 1, 1)), "2026-03-12 09:00", "2026-03-12 09:00"),
    ],
)
def test_wait_ends(wait: Duration | UntilDate | UntilTime, start: str, end: str) -> None:
    assert wait.end(berlin(start), BERLIN) == berlin(end)


def test_day_that_a_zone_left_out_is_the_next_one() -> None:
    """Samoa went from 29 to 31 December 2011."""
    apia = ZoneInfo("Pacific/Apia")
    start = datetime(2011, 12, 29, 10, tzinfo=apia).astimezone(UTC)
    assert Duration(days=1).end(start, apia) == datetime(2011, 12, 31, 10, tzinfo=apia).astimezone(UTC)


def test_quiet_hours_over_midnight_end_in_the_morning() -> None:
    quiet = QuietHours(time(21), time(8))
    assert quiet.end(berlin("2026-03-12 22:00"), BERLIN) == berlin("2026-03-13 08:00")
    assert quiet.end(berlin("2026-03-12 03:00"), BERLIN) == berlin("2026-03-12 08:00")
    assert quiet.end(berlin("2026-03-12 08:00"), BERLIN) == berlin("2026-03-12 08:00")


def test_quiet_hours_that_end_in_a_repeated_hour_end_once_more() -> None:
    """02:10 comes twice on 25 October: the second is before 02:30 again."""
    quiet = QuietHours(time(22), time(2, 30))
    assert quiet.end(berlin("2026-10-25 02:10", fold=1), BERLIN) == berlin("2026-10-25 02:30", fold=1)


def test_next_wait_counts_from_the_plan_unless_that_was_missed_by_far() -> None:
    now = datetime(2026, 3, 12, 9, tzinfo=UTC)
    assert base(now - LATE, now) == now - LATE
    assert base(now - LATE - timedelta(seconds=1), now) == now
