"""The warm-up: up by one day's step after each good day, and no further while people complain."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from campaigns.models import WarmUp
from delivery import warm_up
from delivery.models import SenderDay
from tests.factories import SenderFactory

MONDAY = datetime(2026, 3, 9, 0, 0, 5, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(MONDAY, tick=False) as traveller:
        yield traveller


def new(**columns: int) -> WarmUp:
    return WarmUp.objects.create(sender=SenderFactory(), **columns)


def sent(warming: WarmUp, days_ago: int = 1, mails: int = 50, bounced: int = 0, complained: int = 0) -> None:
    day = timezone.now().date() - timedelta(days=days_ago)
    SenderDay.objects.create(
        sender_id=warming.pk, day=day, sent=mails, bounced=bounced, complained=complained
    )


def advanced(warming: WarmUp) -> tuple[int, str]:
    warm_up.advance()
    warming.refresh_from_db()
    return warming.daily_cap, warming.held


@pytest.mark.django_db
def test_the_cap_rises_once_after_a_day_that_went_well(clock: time_machine.Traveller) -> None:
    warming = new()
    sent(warming)
    for _ in range(3):
        assert advanced(warming) == (65, "")
    assert warming.stepped_on == MONDAY.date()


@pytest.mark.django_db
def test_it_rises_day_by_day(clock: time_machine.Traveller) -> None:
    warming = new()
    caps = [warming.daily_cap]
    for _ in range(4):
        sent(warming, days_ago=0, mails=warming.daily_cap)
        clock.shift(timedelta(days=1))
        caps.append(advanced(warming)[0])
    assert caps == [50, 65, 85, 110, 143]


@pytest.mark.django_db
def test_what_is_sent_today_moves_nothing_before_midnight(clock: time_machine.Traveller) -> None:
    warming = new()
    sent(warming, days_ago=0)
    assert advanced(warming) == (50, "")
    clock.shift(timedelta(days=1))
    assert advanced(warming) == (65, "")


@pytest.mark.django_db
def test_days_without_mail_neither_raise_nor_lower_the_cap(clock: time_machine.Traveller) -> None:
    warming = new()
    sent(warming)
    assert advanced(warming) == (65, "")
    clock.shift(timedelta(days=9))
    assert advanced(warming) == (65, "")
    sent(warming, mails=0, bounced=1)
    assert advanced(warming) == (65, "")


@pytest.mark.django_db
def test_a_day_that_no_worker_saw_end_counts_all_the_same(clock: time_machine.Traveller) -> None:
    """A sender with one campaign a week, and workers that run on Mondays only."""
    warming = new()
    sent(warming)
    assert advanced(warming)[0] == 65
    sent(warming, days_ago=0)
    clock.shift(timedelta(days=7))
    assert advanced(warming)[0] == 85


@pytest.mark.django_db
def test_what_was_sent_before_the_warm_up_is_no_day_of_it(clock: time_machine.Traveller) -> None:
    warming = new()
    sent(warming, days_ago=2)
    assert advanced(warming) == (50, "")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("mails", "bounced", "complained", "words"),
    [
        (50, 3, 0, "3 of 50 mails bounced on 8 March: 6.0% is too many."),
        (60, 3, 0, "3 of 60 mails bounced on 8 March: 5.0% is too many."),
        (61, 3, 0, ""),
        (20, 2, 0, ""),
        (2000, 0, 2, "2 of 2,000 mails were reported as spam on 8 March: 0.1% is too many."),
        (2001, 0, 2, ""),
        (50, 0, 1, ""),
    ],
)
def test_too_many_bounces_or_complaints_hold_it_and_it_says_why(
    mails: int, bounced: int, complained: int, words: str, clock: time_machine.Traveller
) -> None:
    warming = new()
    sent(warming, mails=mails, bounced=bounced, complained=complained)
    assert advanced(warming) == (50 if words else 65, words)


@pytest.mark.django_db
def test_it_goes_on_after_the_next_good_day(clock: time_machine.Traveller) -> None:
    warming = new()
    sent(warming, bounced=10)
    assert advanced(warming)[1]
    sent(warming, days_ago=0)
    assert advanced(warming)[1]
    clock.shift(timedelta(days=1))
    assert advanced(warming) == (65, "")


@pytest.mark.django_db
def test_when_the_target_is_reached_it_is_done_and_stays_the_cap(clock: time_machine.Traveller) -> None:
    warming = new(first_day=80, growth=50, target=100)
    sent(warming)
    assert advanced(warming)[0] == 100
    assert warming.is_done
    sent(warming, days_ago=0, mails=100, complained=50)
    clock.shift(timedelta(days=1))
    assert advanced(warming) == (100, "")
    assert warming.step == 1


@pytest.mark.django_db
def test_senders_without_a_warm_up_cost_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(3):
        SenderDay.objects.create(sender=SenderFactory(), day=timezone.now().date(), sent=9)
    with django_assert_num_queries(1):
        warm_up.advance()


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_raise_it_once() -> None:
    warmings = [new() for _ in range(3)]
    for warming in warmings:
        sent(warming)

    def work(_: int) -> None:
        try:
            warm_up.advance()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert set(WarmUp.objects.values_list("step", flat=True)) == {1}


# --- The curve -----------------------------------------------------------------------------------


def test_the_curve_goes_from_the_first_day_to_the_target() -> None:
    curve = WarmUp(first_day=50, growth=30, target=10_000).curve()
    assert (curve[:4], curve[-1], len(curve)) == ([50, 65, 85, 110], 10_000, 22)


@given(
    first=st.integers(1, 10**9), growth=st.integers(1, 200), target=st.integers(1, 2**31 - 1),
    step=st.integers(0, 32_767),
)  # fmt: skip
def test_no_curve_falls_or_passes_its_target_or_grows_too_large_to_reckon(
    first: int, growth: int, target: int, step: int
) -> None:
    warming = WarmUp(first_day=first, growth=growth, target=target, step=step)
    curve = warming.curve()
    assert sorted(curve) == curve
    assert curve[-1] == target
    assert max(curve[:-1], default=0) < target
    assert warming.daily_cap == curve[min(step, len(curve) - 1)]


def test_a_target_that_is_no_rise_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValidationError, match="Enter more than on the first day"):
        WarmUp(first_day=100, target=100).clean()
