"""What a sender may hand over now: never more than any limit allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries, Settings

from campaigns.models import SenderLimit, WarmUp
from delivery import limits
from delivery.limits import DAY, EXACT_UP_TO, UNLIMITED, Limiter, Rules, Window
from delivery.models import SenderDay
from tests.delivery.limiters import in_redis, limiter, new_sender, ruled
from tests.factories import SenderFactory

__all__ = ["in_redis", "limiter"]

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
Period = SenderLimit.Period


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def test_a_limit_lets_so_many_through_in_its_period_and_no_more(
    limiter: Limiter, clock: time_machine.Traveller
) -> None:
    rules = ruled((500, 3600))
    assert limiter.room(rules, "google") == 500
    assert limiter.take(rules, "google", 200) == 200
    assert limiter.room(rules, "google") == 300
    assert limiter.take(rules, "other", 1000) == 300
    assert limiter.take(rules, "google", 1) == 0
    clock.shift(3601)
    assert limiter.take(rules, "google", 1000) == 500


def test_looking_at_the_room_counts_nothing(limiter: Limiter) -> None:
    rules = ruled((5, 3600), cap=5)
    assert {limiter.room(rules, "google") for _ in range(20)} == {5}


def test_the_smallest_of_all_limits_decides(limiter: Limiter, clock: time_machine.Traveller) -> None:
    rules = ruled((3, 1), (5, 60), (100, 3600))
    assert limiter.take(rules, "google", 10) == 3
    clock.shift(1.1)
    assert limiter.take(rules, "google", 10) == 2
    clock.shift(1.1)
    assert limiter.take(rules, "google", 10) == 0


def test_the_limit_to_one_mailbox_provider_holds_up_no_other(limiter: Limiter) -> None:
    rules = ruled((10, 3600), (3, 3600, "google"))
    assert limiter.take(rules, "google", 10) == 3
    assert limiter.take(rules, "yahoo", 10) == 7
    assert limiter.take(rules, "microsoft", 1) == 0


def test_two_senders_do_not_share_their_limits(limiter: Limiter) -> None:
    for rules in (ruled((2, 3600)), ruled((2, 3600))):
        assert limiter.take(rules, "google", 10) == 2


def test_between_two_mails_lies_the_delay(limiter: Limiter, clock: time_machine.Traveller) -> None:
    rules = Rules(new_sender(), (Window(1, 1, 30, "delay"),))
    assert limiter.take(rules, "google", 5) == 1
    clock.shift(29)
    assert limiter.take(rules, "other", 5) == 0
    clock.shift(1.001)
    assert limiter.take(rules, "other", 5) == 1


def test_a_limit_that_is_changed_keeps_what_it_has_counted(limiter: Limiter) -> None:
    sender = new_sender()

    def rules(mails: int) -> Rules:
        return Rules(sender, (Window(sender, mails, 3600, Period.HOUR),))

    assert limiter.take(rules(10), "google", 8) == 8
    assert limiter.take(rules(5), "google", 8) == 0
    assert limiter.room(rules(5), "google") == 0
    assert limiter.take(rules(12), "google", 8) == 4


def test_a_limit_too_large_to_remember_each_mail_holds_too(limiter: Limiter) -> None:
    rules = ruled((EXACT_UP_TO + 1, 3600))
    assert limiter.take(rules, "google", EXACT_UP_TO) == EXACT_UP_TO
    assert limiter.take(rules, "google", 10) == 1
    assert limiter.take(rules, "google", 10) == 0


def test_the_wait_is_as_long_as_the_slowest_limit_that_is_used_up(
    limiter: Limiter, clock: time_machine.Traveller
) -> None:
    rules = ruled((3, 60), (3, 3600, "google"), (9, DAY))
    assert limiter.wait(rules, "google") == 0
    limiter.take(rules, "google", 3)
    clock.shift(20)
    assert limiter.wait(rules, "google") == pytest.approx(3580, abs=1)
    assert limiter.wait(rules, "yahoo") == pytest.approx(40, abs=1)
    clock.shift(41)
    assert limiter.wait(rules, "yahoo") == 0


def test_when_the_wait_is_over_there_is_room(limiter: Limiter, clock: time_machine.Traveller) -> None:
    rules = ruled((2, 7), (5, 60))
    for _ in range(8):
        limiter.take(rules, "google", 10)
        wait = limiter.wait(rules, "google")
        assert wait > 0
        clock.shift(wait + 0.001)
        assert limiter.room(rules, "google") > 0


def test_uses_say_how_far_each_limit_is_used_up(limiter: Limiter, clock: time_machine.Traveller) -> None:
    rules = ruled((10, 60), (20, 3600, "google"))
    limiter.take(rules, "google", 5)
    limiter.take(rules, "other", 5)
    uses = limiter.uses(rules)
    assert [(use.used, use.mails, use.percent, bool(use.wait)) for use in uses] == [
        (10, 10, 100, True),
        (5, 20, 25, False),
    ]


@settings(max_examples=60, deadline=None)
@given(
    windows=st.lists(
        st.tuples(st.integers(1, 12), st.integers(1, 30), st.sampled_from(["", "", "google", "yahoo"])),
        min_size=1,
        max_size=4,
        unique_by=lambda window: window[1:],
    ),
    steps=st.lists(
        st.tuples(
            st.floats(0, 12, allow_nan=False), st.integers(1, 15), st.sampled_from(["google", "yahoo"])
        ),
        max_size=40,
    ),
)
def test_in_no_window_of_time_are_more_mails_than_the_limit(
    windows: list[tuple[int, int, str]], steps: list[tuple[float, int, str]]
) -> None:
    """And no fewer than are allowed: whoever asks gets all there is."""
    limiter = Limiter("memory://")
    left: list[tuple[float, str]] = []
    with time_machine.travel(NOON, tick=False) as clock:
        rules = ruled(*windows)
        for pause, wanted, provider in steps:
            clock.shift(pause)
            now = timezone.now().timestamp()
            room = min(
                mails - sum(now - at <= seconds and to in (of or to) for at, to in left)
                for mails, seconds, of in windows
                if of in ("", provider)
            ) if any(of in ("", provider) for *_, of in windows) else UNLIMITED  # fmt: skip
            taken = limiter.take(rules, provider, wanted)
            assert taken == min(wanted, room)
            left += [(now, provider)] * taken


# --- The day's cap -------------------------------------------------------------------------------


def test_the_days_cap_begins_anew_at_midnight_utc(limiter: Limiter, clock: time_machine.Traveller) -> None:
    rules = ruled(cap=50)
    assert limiter.take(rules, "google", 100) == 50
    assert limiter.room(rules, "google") == 0
    assert limiter.wait(rules, "google") == pytest.approx(DAY / 2)
    clock.shift(DAY / 2)
    assert limiter.take(rules, "google", 100) == 50


def test_a_redis_that_was_flushed_forgets_no_days_sum(in_redis: Callable[[], Limiter]) -> None:
    limiter = in_redis()
    rules = ruled(cap=50)
    assert limiter.take(rules, "google", 45) == 45
    # Under this prefix it is what FLUSHALL is to the server.
    limiter._storage.reset()
    known = Rules(rules.sender_id, (), 50, rules.day, 45)
    assert limiter.room(known, "google") == 5
    assert limiter.take(known, "google", 10) == 5
    assert limiter.take(known, "google", 10) == 0


def test_what_another_day_has_sent_is_no_floor_of_this_one(
    limiter: Limiter, clock: time_machine.Traveller
) -> None:
    rules = ruled(cap=50, sent=50)
    assert limiter.room(rules, "google") == 0
    clock.shift(DAY)
    assert limiter.take(rules, "google", 10) == 10


def test_what_a_window_refuses_is_given_back_to_the_day(
    limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = ruled((3, 3600), cap=100)
    # Others were faster since the look at the room.
    monkeypatch.setattr(limiter, "_room", lambda *_: 100)
    assert limiter.take(rules, "google", 100) == 3
    monkeypatch.undo()
    assert limiter._day_sum(rules) == 3


# --- Rules ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_rules_of_all_senders_are_read_in_three_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fast, slow, warming = SenderFactory(), SenderFactory(min_delay=2), SenderFactory()
    SenderLimit.objects.create(sender=slow, mails=500, period=Period.HOUR)
    SenderLimit.objects.create(sender=slow, mails=20, period=Period.MINUTE, mailbox_provider="google")
    SenderLimit.objects.create(sender=warming, mails=5000, period=Period.DAY)
    WarmUp.objects.create(sender=warming, step=1)
    SenderDay.objects.create(sender=warming, day=timezone.now().date(), sent=7)
    SenderDay.objects.create(sender=warming, day=timezone.now().date() - timedelta(days=1), sent=50)
    with django_assert_num_queries(3):
        rules = limits.rules([fast.pk, slow.pk, warming.pk, 0])
    assert set(rules) == {fast.pk, slow.pk, warming.pk}
    assert not rules[fast.pk].is_limited
    assert [str(window) for window in rules[slow.pk].windows] == [
        "one mail every 2 seconds",
        "20 per minute to Gmail",
        "500 per hour",
    ]
    assert (rules[warming.pk].day_cap, rules[warming.pk].sent_today) == (65, 7)


@pytest.mark.django_db
def test_the_lower_of_warm_up_and_limit_per_day_is_the_days_cap() -> None:
    sender = SenderFactory()
    WarmUp.objects.create(sender=sender, step=30)
    SenderLimit.objects.create(sender=sender, mails=800, period=Period.DAY)
    SenderLimit.objects.create(sender=sender, mails=10, period=Period.DAY, mailbox_provider="yahoo")
    assert limits.rules([sender.pk])[sender.pk].day_cap == 800


def test_a_process_has_one_limiter_for_each_place_to_count_in(settings: Settings) -> None:
    settings.RATE_LIMIT_STORAGE = "redis://127.0.0.1:1/0"
    assert limits.limiter() is limits.limiter()
    other = limits.limiter()
    settings.RATE_LIMIT_STORAGE = "memory://"
    assert limits.limiter() is not other


def test_rules_that_were_never_read_limit_nothing() -> None:
    rules = Rules(1)
    assert (rules.is_limited, rules.sent_today, rules.day) == (False, 0, date.min)
