"""The doorbell: beat rings it, a Celery worker on Redis answers, mail goes out."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler
from pytest_django import Settings

from campaigns.models import Campaign
from config.celery import app
from delivery.mailbox.store import MailboxStore
from delivery.tasks import tick

ROOT = Path(__file__).parents[2]
PATIENCE = 60


@pytest.mark.django_db(transaction=True)
def test_beat_rings_the_tick() -> None:
    DatabaseScheduler(app, lazy=True).setup_schedule()
    entry = PeriodicTask.objects.get(name="tick")
    assert entry.enabled
    assert entry.task == tick.name


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
