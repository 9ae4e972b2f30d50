"""Opens and clicks over time: no gaps, no losses, and the stragglers in a bucket of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import timeline
from analytics.totals import Hour

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOURS = st.lists(
    st.builds(
        lambda at, sent, opened, clicked: Hour(START + timedelta(hours=at), sent, opened, clicked),
        st.integers(-5, 24 * 400),
        st.integers(0, 5),
        st.integers(0, 50),
        st.integers(0, 20),
    ),
    unique_by=lambda hour: hour.at,
).map(lambda hours: sorted(hours, key=lambda hour: hour.at))


def hour(after: int, **numbers: int) -> Hour:
    return Hour(START + timedelta(hours=after), **numbers)


@settings(deadline=None)
@given(HOURS)
def test_nothing_is_lost(hours: list[Hour]) -> None:
    buckets = timeline.buckets(hours)
    for number in ("sent", "opened", "clicked"):
        assert sum(getattr(b, number) for b in buckets) == sum(getattr(h, number) for h in hours)


def test_a_day_is_shown_hour_by_hour_without_gaps() -> None:
    buckets = timeline.buckets([hour(0, sent=9, opened=1), hour(5, opened=3)])
    assert len(buckets) == 24
    assert [bucket.opened for bucket in buckets[:6]] == [1, 0, 0, 0, 0, 3]
    assert buckets[0].label == "2 Mar, 09:00"


def test_weeks_are_shown_day_by_day() -> None:
    buckets = timeline.buckets([hour(0, sent=9), hour(24 * 10, opened=3)])
    assert [bucket.label for bucket in buckets][:2] == ["2 Mar", "3 Mar"]
    assert len(buckets) == 11


def test_stragglers_do_not_stretch_the_chart() -> None:
    buckets = timeline.buckets([hour(0, sent=100, opened=99), hour(24 * 300, opened=1)])
    assert len(buckets) == 25
    assert (buckets[-1].label, buckets[-1].opened) == ("Later", 1)


def test_days_are_those_of_the_pages_clock() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        buckets = timeline.buckets([hour(0, sent=9), hour(14, opened=3), hour(24 * 9, opened=3)])
    # 23:00 in UTC is the next day in Tokyo.
    assert (buckets[1].label, buckets[1].opened) == ("3 Mar", 3)


def test_curves_begin_with_the_first_mail() -> None:
    hours = [hour(0, sent=9, opened=1), hour(2, opened=3), hour(90, opened=7)]
    assert timeline.since_start(hours, "opened", 4) == [1, 1, 4, 4]
    assert timeline.since_start([], "opened", 2) == [0, 0]
