"""The doorbell: beat rings it, a Celery worker on Redis answers, mail goes out."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from campaigns.models import Campaign
from config import beat
from config.celery import app
from delivery import sql
from delivery.mailbox.store import MailboxStore
from delivery.tasks import tick, wake_another
from delivery.worker import AnotherSender

ROOT = Path(__file__).parents[2]
PATIENCE = 60


@pytest.mark.django_db(transaction=True)
def test_beat_rings_the_tick() -> None:
    beat.Scheduler(app, lazy=True).setup_schedule()
    entry = PeriodicTask.objects.get(name="tick")
    assert entry.enabled
    assert entry.task == tick.name


@pytest.mark.django_db(transaction=True)
def test_beat_looks_for_changes_of_its_schedule_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr(beat, "monotonic", lambda: moment)
    scheduler = beat.Scheduler(app, lazy=True)
    scheduler.setup_schedule()
    moment += beat.LOOK_EVERY
    assert "tick" in scheduler.schedule
    entry = PeriodicTask.objects.get(name="tick")
    entry.enabled = False
    entry.save()
    with CaptureQueriesContext(connection) as asked:
        assert all("tick" in scheduler.schedule for _ in range(10))
    assert not asked.captured_queries
    moment += beat.LOOK_EVERY
    assert "tick" not in scheduler.schedule


@pytest.mark.django_db(transaction=True)
def test_worker_that_hears_the_tick_sends_what_is_due(
    active_campaign: Callable[..., Campaign],
    mailbox: MailboxStore,
    redis_url: str,
    child_environment: dict[str, str],
    settings: Settings,
) -> None:
    campaign = active_campaign(customers=3, filled=False)
    queue = uuid.uuid4().hex
    tick.apply_async(queue=queue)
    log = run_worker_for_one_task(
        queue,
        child_environment | {"DATA_DIR": str(settings.DATA_DIR), "MAILBOX_PORT": str(settings.MAILBOX_PORT)},
    )
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == (Campaign.Status.COMPLETED, "3 of 3 sent"), log
    assert mailbox.count() == 3


@pytest.mark.django_db(transaction=True)
def test_ticks_that_meet_send_each_mail_once(
    active_campaign: Callable[..., Campaign], mailbox: MailboxStore, settings: Settings
) -> None:
    """Two beats, or beat and cron, ring at the same moment. On SQLite the second is refused."""
    settings.SEND_BATCH_SIZE = 3
    campaign = active_campaign(customers=40, filled=False)
    refused: list[Exception] = []

    def ring() -> None:
        try:
            tick("cron")
        except AnotherSender as error:
            refused.append(error)
        connection.close()

    threads = [threading.Thread(target=ring) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bool(refused) is not sql.is_postgresql()
    assert (mailbox.count(campaign.pk), mailbox.duplicates(campaign.pk)) == (40, 0)


def test_worker_that_cannot_reach_the_broker_goes_on_alone(caplog: pytest.LogCaptureFixture) -> None:
    with app.connection_for_write("redis://127.0.0.1:9/0") as nowhere, app.pool.acquire() as real:
        assert nowhere.as_uri() != real.as_uri()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tick, "apply_async", partial(tick.apply_async, connection=nowhere))
            wake_another()
    assert "the broker cannot be reached" in caplog.text


def test_worker_whose_channel_died_goes_on_alone(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with app.connection_for_write(redis_url) as connection_to_redis:
        channel = connection_to_redis.channel()
        producer = app.amqp.Producer(channel)
        channel.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tick, "apply_async", partial(tick.apply_async, producer=producer))
            wake_another()
    assert "the broker cannot be reached" in caplog.text


def run_worker_for_one_task(queue: str, environment: dict[str, str]) -> str:
    """A real Celery worker, told to stop after the first task of the queue; what it logged."""
    command = [sys.executable, "-m", "celery", "--app", "config", "worker", "--loglevel", "INFO"]
    options = ["--concurrency", "1", "--without-gossip", "--without-mingle", "--queues", queue]
    pipe, together = subprocess.PIPE, subprocess.STDOUT
    log = ""
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, env=environment, stdout=pipe, stderr=together, text=True
    ) as worker:
        alarm = threading.Timer(PATIENCE, worker.kill)
        alarm.start()
        assert worker.stdout
        for line in worker.stdout:
            log += line
            if re.search(r"Task \S+ (succeeded|raised)", line):
                worker.terminate()
        alarm.cancel()
    return log
