"""Kill -9 of the sending worker in mid-campaign: nobody twice, nobody lost but who is listed as unknown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from campaigns.models import Campaign
from delivery import journal
from delivery.mailbox.store import MailboxStore
from delivery.models import SendLog
from delivery.worker import Worker

MakeCampaign = Callable[..., Campaign]
MANAGE = Path(__file__).parents[2] / "manage.py"
CUSTOMERS = 400
KILLS = 4
CONNECTIONS = 2


@pytest.mark.django_db(transaction=True)
def test_killed_worker_sends_nobody_twice_and_loses_nobody(
    active_campaign: MakeCampaign,
    mailbox: MailboxStore,
    child_environment: dict[str, str],
    settings: Settings,
) -> None:
    campaign = active_campaign(CUSTOMERS)
    for kill in range(KILLS):
        worker = _worker(child_environment, settings)
        _wait_for(lambda mails=(kill + 1) * 70: mailbox.count() >= mails, worker)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    with Worker() as last:
        last.run_until_idle()
    received = set(mailbox.recipients(campaign.pk))
    rows = dict(SendLog.objects.filter(campaign=campaign).values_list("email", "status"))
    unknown = {email for email, status in rows.items() if status == "unknown"}
    assert mailbox.duplicates(campaign.pk) == 0
    assert len(rows) == CUSTOMERS
    assert set(rows.values()) <= {"sent", "unknown"}
    assert {email for email, status in rows.items() if status == "sent"} <= received
    # A kill leaves at most one mail in doubt on each connection.
    assert len(unknown) <= KILLS * CONNECTIONS
    assert received | unknown == set(rows)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_worker_that_is_told_to_stop_ends_its_batch_and_leaves_nothing_in_hand(
    active_campaign: MakeCampaign,
    mailbox: MailboxStore,
    child_environment: dict[str, str],
    settings: Settings,
) -> None:
    campaign = active_campaign(CUSTOMERS)
    worker = _worker(child_environment, settings)
    _wait_for(lambda: mailbox.count() >= 60, worker)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0
    statuses = set(SendLog.objects.filter(campaign=campaign).values_list("status", flat=True))
    assert statuses <= {"sent", "queued"}
    assert SendLog.objects.filter(status="sent").count() == mailbox.count()
    assert list(journal.directory().iterdir()) == []


def _worker(child_environment: dict[str, str], settings: Settings) -> subprocess.Popen[bytes]:
    environment = child_environment | {
        "DATA_DIR": str(settings.DATA_DIR),
        "MAILBOX_PORT": str(settings.MAILBOX_PORT),
        "SEND_BATCH_SIZE": "50",
        "SMTP_CONNECTIONS": str(CONNECTIONS),
    }
    return subprocess.Popen([sys.executable, MANAGE, "send_due", "--loop"], env=environment)


def _wait_for(condition: Callable[[], bool], worker: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert worker.poll() is None, "the worker ended by itself"
        assert time.monotonic() < deadline, "the worker sends nothing"
        time.sleep(0.002)
