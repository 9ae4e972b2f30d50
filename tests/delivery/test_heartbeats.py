"""The life signs of the engine's processes, by the database's clock."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from delivery.heartbeats import BEAT, CRON, Kind, alive, beat, forget_old, signs, somebody_looks, stop
from delivery.models import Heartbeat

pytestmark = pytest.mark.django_db


def silent_for(name: str, **length: float) -> None:
    """Let the last sign of a process lie so far back."""
    Heartbeat.objects.filter(pk=name).update(seen_at=Now() - timedelta(**length))


def test_a_process_has_one_row_however_often_it_beats() -> None:
    beat("w1", Kind.WORKER)
    silent_for("w1", seconds=30)
    started = Heartbeat.objects.get().started_at
    beat("w1", Kind.WORKER, "sending campaign 12")
    sign = Heartbeat.objects.get()
    assert (sign.kind, sign.doing, sign.started_at) == ("worker", "sending campaign 12", started)
    [known] = signs()
    assert known.doing == "sending campaign 12"
    assert timedelta() <= known.age < timedelta(seconds=20)


def test_ages_go_by_the_clock_of_the_database() -> None:
    beat("w1", Kind.WORKER)
    silent_for("w1", seconds=90)
    [sign] = signs()
    assert timedelta(seconds=90) <= sign.age < timedelta(seconds=110)


@pytest.mark.parametrize(
    ("name", "kind", "doing", "seconds", "late"),
    [
        ("w1", Kind.WORKER, "looks for due mail", 40, False),
        ("w1", Kind.WORKER, "looks for due mail", 70, True),
        ("w1", Kind.WORKER, "", 800, False),
        ("w1", Kind.WORKER, "", 1000, True),
        (BEAT, Kind.SCHEDULER, "", 40, False),
        (BEAT, Kind.SCHEDULER, "", 70, True),
        (CRON, Kind.SCHEDULER, "", 800, False),
        (CRON, Kind.SCHEDULER, "", 1000, True),
    ],
)
def test_late_is_who_missed_several_signs(
    name: str, kind: Kind, doing: str, seconds: int, late: bool
) -> None:
    beat(name, kind, doing)
    silent_for(name, seconds=seconds)
    assert signs()[0].is_late is late
    assert alive(kind) is not late


def test_who_ends_by_itself_is_not_missing() -> None:
    beat("w1", Kind.WORKER)
    stop("w1")
    stop("w1")
    assert signs() == []


def test_a_process_is_forgotten_after_a_day() -> None:
    beat("old", Kind.WORKER)
    beat("new", Kind.WORKER)
    silent_for("old", hours=25)
    assert [sign.name for sign in signs()] == ["new"]
    forget_old()
    forget_old()
    assert Heartbeat.objects.get().name == "new"


def test_without_a_scheduler_a_worker_that_stays_will_do() -> None:
    assert not somebody_looks(signs())
    beat("w1", Kind.WORKER)
    assert somebody_looks(signs())


def test_a_scheduler_that_fell_silent_is_missed_although_workers_live() -> None:
    beat("w1", Kind.WORKER)
    beat(BEAT, Kind.SCHEDULER)
    silent_for(BEAT, seconds=70)
    assert not somebody_looks(signs())
    beat(CRON, Kind.SCHEDULER)
    assert somebody_looks(signs())


def test_long_words_are_cut_to_what_the_row_holds() -> None:
    beat("w" * 200, Kind.WORKER, "x" * 500)
    assert [(len(sign.name), len(sign.doing)) for sign in signs()] == [(80, 200)]
    stop("w" * 200)
    assert signs() == []


@pytest.mark.django_db(transaction=True)
def test_a_sign_that_cannot_be_written_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE delivery_heartbeat RENAME TO away")
    try:
        with caplog.at_level(logging.WARNING):
            beat("w1", Kind.WORKER)
            stop("w1")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO delivery_heartbeat")
    said = [(record.message, vars(record)["heartbeat"]) for record in caplog.records]
    assert said == [("heartbeat not written", "w1"), ("heartbeat not removed", "w1")]
    beat("w1", Kind.WORKER)
    assert alive(Kind.WORKER)


def test_one_query_reads_them_all(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(20):
        beat(f"w{number}", Kind.WORKER)
    with django_assert_num_queries(1):
        assert len(signs()) == 20
