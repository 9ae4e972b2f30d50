"""Rows that commit out of the order of their ids are counted all the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from django.db import connection, transaction

from analytics import horizon, roll_up, state, totals
from analytics.totals import Scope
from campaigns.models import Campaign
from delivery.models import Event, SendLog
from tests.analytics.history import event, mail
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db(transaction=True)
needs_many_writers = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer: ids commit in order."
)
PATIENCE = 60


@pytest.fixture
def campaign() -> Campaign:
    made: Campaign = CampaignFactory()
    return made


@contextmanager
def open_writer(write: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Somebody who has written and not committed yet; call what is given to let them commit."""
    written, may_commit, committed = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # However long a busy machine takes until it may commit.
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                write()
                written.set()
                may_commit.wait(PATIENCE)
        finally:
            connection.close()
            committed.set()

    def commit() -> None:
        may_commit.set()
        assert committed.wait(PATIENCE)

    thread = threading.Thread(target=work)
    thread.start()
    assert written.wait(PATIENCE)
    try:
        yield commit
    finally:
        may_commit.set()
        thread.join(PATIENCE)


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for writers."""
    monkeypatch.setattr(roll_up.horizon, "look", partial(horizon.look, patience=0.0))


def opened(campaign: Campaign) -> int:
    return totals.of(Scope([campaign.pk])).opened


@needs_many_writers
def test_an_event_that_commits_late_is_counted(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    late, early = mail(campaign), mail(campaign)
    with open_writer(lambda: event(late, "opened", verdict="person")) as commit:
        newer = event(early, "opened", verdict="person")
        roll_up.run()
        # What is there is shown, but not taken for all there is.
        assert (opened(campaign), state.current().event_id) == (1, 0)
        commit()
    assert Event.objects.exclude(pk=newer.pk).get().pk < newer.pk
    roll_up.run()
    assert (opened(campaign), state.current().event_id) == (2, newer.pk)


@needs_many_writers
def test_looking_waits_for_those_who_write(campaign: Campaign) -> None:
    row = mail(campaign)
    with open_writer(lambda: event(row, "opened", verdict="person")) as commit:
        seen = horizon.look(patience=PATIENCE, pause=lambda _: commit())
        assert seen.is_settled(Event)
        assert Event.objects.count() == 1


@needs_many_writers
def test_who_writes_to_one_table_leaves_the_others_settled(campaign: Campaign) -> None:
    with open_writer(lambda: mail(campaign)):
        seen = horizon.look(patience=0)
        assert not seen.is_settled(SendLog)
        assert seen.is_settled(Event)


@needs_many_writers
def test_a_ledger_row_that_commits_late_is_counted(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    with open_writer(lambda: mail(campaign)) as commit:
        mail(campaign)
        roll_up.run()
        assert totals.of(Scope([campaign.pk])).sent == 1
        commit()
    roll_up.run()
    assert totals.of(Scope([campaign.pk])).sent == 2


@needs_many_writers
def test_two_who_count_at_once_count_once(campaign: Campaign) -> None:
    for _ in range(20):
        event(mail(campaign), "opened", verdict="person")
    threads = [threading.Thread(target=_count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert opened(campaign) == 20


def _count() -> None:
    try:
        roll_up.run()
    finally:
        connection.close()


def test_alone_everything_is_settled(campaign: Campaign) -> None:
    row = mail(campaign)
    seen = horizon.look()
    assert seen.ids[SendLog] == row.pk
    assert not seen.unsettled
