"""The day's sums of senders: right, together with the rows, and never in each other's way."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries

from delivery import sender_days
from delivery.models import SenderDay
from tests.factories import SenderFactory


def sums() -> dict[tuple[int, str], tuple[int, int, int]]:
    return {
        (day.sender_id, day.day.isoformat()): (day.sent, day.bounced, day.complained)
        for day in SenderDay.objects.all()
    }


@pytest.mark.django_db
def test_each_day_has_its_own_sums_and_begins_at_midnight_utc() -> None:
    sender = SenderFactory()
    with time_machine.travel(datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC), tick=False) as clock:
        sender_days.count([(sender.pk, "sent")] * 3 + [(sender.pk, "bounced")])
        clock.shift(2)
        sender_days.count([(sender.pk, "sent"), (sender.pk, "complained")])
    assert sums() == {(sender.pk, "2026-03-09"): (3, 1, 0), (sender.pk, "2026-03-10"): (1, 0, 1)}


@pytest.mark.django_db
def test_what_is_not_counted_is_passed_over(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    sender = SenderFactory()
    with django_assert_num_queries(0):
        sender_days.count([])
        sender_days.count([(sender.pk, "failed"), (sender.pk, "delivered")])


@pytest.mark.django_db
def test_all_senders_are_counted_in_one_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    senders = [SenderFactory() for _ in range(5)]
    for _ in range(2):
        with django_assert_num_queries(1):
            sender_days.count((sender.pk, "sent") for sender in senders for _ in range(10))
    assert set(sums().values()) == {(20, 0, 0)}


@pytest.mark.django_db(transaction=True)
def test_a_sender_that_is_gone_keeps_no_batch_from_being_settled() -> None:
    sender, gone = SenderFactory(), SenderFactory()
    gone_id = gone.pk
    gone.delete()
    with transaction.atomic():
        sender_days.count([(sender.pk, "sent"), (gone_id, "sent")])
    assert [key[0] for key in sums()] == [sender.pk]


@pytest.mark.django_db
def test_what_is_rolled_back_was_never_counted() -> None:
    sender = SenderFactory()
    with pytest.raises(RuntimeError), transaction.atomic():
        sender_days.count([(sender.pk, "sent")])
        raise RuntimeError
    assert sums() == {}


class Sums(TestCase):
    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(
            st.lists(st.tuples(st.integers(0, 3), st.sampled_from([*sender_days.COUNTED, "failed", ""]))),
            max_size=6,
        )
    )
    def test_sums_are_what_counting_by_hand_gives(self, batches: list[list[tuple[int, str]]]) -> None:
        senders = [SenderFactory().pk for _ in range(4)]
        for batch in batches:
            sender_days.count((senders[index], what) for index, what in batch)
        by_hand = Counter(moved for batch in batches for moved in batch)
        for index, pk in enumerate(senders):
            found = SenderDay.objects.filter(sender=pk).first() or SenderDay()
            assert {what: getattr(found, what) for what in sender_days.COUNTED} == {
                what: by_hand[index, what] for what in sender_days.COUNTED
            }


@pytest.mark.django_db(transaction=True)
def test_workers_that_count_the_same_senders_at_once_do_not_wait_in_a_circle() -> None:
    """Each in an order of its own, in transactions that hold the rows until their end."""
    senders = [SenderFactory().pk for _ in range(100)]

    def work(seed: int) -> None:
        order = random.Random(seed)  # noqa: S311 - shuffles
        try:
            for _ in range(25):
                moved = [(pk, "sent") for pk in order.sample(senders, len(senders))]
                with transaction.atomic():
                    sender_days.count(moved)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert set(sums().values()) == {(100, 0, 0)}
