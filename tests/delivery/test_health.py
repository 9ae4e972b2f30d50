"""The health endpoint: what it says, whom it tells nothing, and that it answers whatever hangs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from campaigns import lifecycle
from campaigns.models import Campaign, SenderLimit
from delivery import limits, probes
from delivery.heartbeats import BEAT, Kind, beat
from delivery.models import Heartbeat, SendLog
from tests.delivery.frozen import frozen_redis
from tests.factories import CampaignFactory, CustomerFactory
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parents[2]
PATIENCE = 20


@pytest.fixture(autouse=True)
def memory_limits(settings: Settings) -> None:
    settings.RATE_LIMIT_STORAGE = "memory://"


def health() -> tuple[int, str, dict[str, str]]:
    response = Client().get("/health/")
    told = response.json()
    return response.status_code, told["status"], told["checks"]


def wrong() -> dict[str, str]:
    """The parts that are not as they should be; 200, since people are served."""
    status, summary, checks = health()
    assert status == 200
    bad = {name: state for name, state in checks.items() if state not in ("ok", "unused")}
    assert summary == ("degraded" if bad else "ok")
    return bad


def overdue_campaign(minutes: int = 20) -> Campaign:
    """An active campaign with one mail that has been due for so long."""
    customer = CustomerFactory()
    campaign: Campaign = CampaignFactory(name="Secret launch")
    lifecycle.activate(campaign)
    SendLog.objects.create(
        workspace=campaign.workspace,
        campaign=campaign,
        customer=customer,
        sender=campaign.senders.get(),
        email=customer.email,
        due_at=timezone.now() - timedelta(minutes=minutes),
    )
    return campaign


# --- What it says ------------------------------------------------------------------------------------


def test_all_is_well_while_somebody_looks_and_nothing_waits() -> None:
    beat("host-1", Kind.WORKER)
    assert wrong() == {}


def test_a_late_scheduler_degrades() -> None:
    beat("host-1", Kind.WORKER)
    beat(BEAT, Kind.SCHEDULER)
    Heartbeat.objects.filter(pk=BEAT).update(seen_at=timezone.now() - timedelta(minutes=2))
    assert wrong()["scheduler"] == "late"


def test_an_engine_that_nobody_started_degrades() -> None:
    assert wrong() == {"scheduler": "late"}


def test_switched_off_sending_degrades(settings: Settings) -> None:
    beat("host-1", Kind.WORKER)
    overdue_campaign()
    settings.ENABLE_EMAIL_SCHEDULER = False
    assert wrong() == {"sending": "off"}


def test_mail_that_nobody_sends_degrades() -> None:
    beat("host-1", Kind.WORKER)
    overdue_campaign(minutes=10)
    assert wrong() == {}
    overdue_campaign(minutes=16)
    assert wrong() == {"due_mail": "late"}


def test_a_long_campaign_is_not_late_while_workers_have_mails_in_hand() -> None:
    beat("host-1", Kind.WORKER)
    overdue_campaign()
    in_hand = overdue_campaign().pk
    rows = SendLog.objects.filter(campaign=in_hand)
    rows.update(status=SendLog.Status.SENDING, lease_until=timezone.now() + timedelta(minutes=2))
    assert wrong() == {}
    rows.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert wrong() == {"due_mail": "late"}


def test_mail_that_waits_for_a_limit_is_not_late() -> None:
    beat("host-1", Kind.WORKER)
    sender = overdue_campaign().senders.get()
    SenderLimit.objects.create(sender=sender, mails=1, period="hour")
    assert wrong() == {"due_mail": "late"}
    assert limits.limiter().take(limits.rules([sender.pk])[sender.pk], "other", 1) == 1
    assert wrong() == {}


def test_an_absent_redis_degrades_where_it_is_used(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    beat("host-1", Kind.WORKER)
    assert wrong() == {}
    beat(BEAT, Kind.SCHEDULER)
    assert wrong() == {"redis": "away"}


def test_it_names_nobody_and_nothing(settings: Settings) -> None:
    settings.RATE_LIMIT_STORAGE = f"redis://:hidden@127.0.0.1:{free_port()}/0"
    campaign = overdue_campaign()
    beat("mail1.example.org", Kind.WORKER)
    told = Client().get("/health/").content.decode()
    assert '"redis": "away"' in told
    for secret in ("@", campaign.name, campaign.senders.get().name, "mail1", "hidden", "127.0.0.1"):
        assert secret not in told


def test_it_may_be_asked_often(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """The page itself asks nothing of its own connection; the answer is not kept."""
    with django_assert_num_queries(0):
        response = Client().get("/health/")
    assert "no-store" in response["Cache-Control"]
    assert Client().post("/health/").status_code == 405
    assert Client().head("/health/").status_code == 200


# --- What may hang ------------------------------------------------------------------------------------


def test_a_frozen_redis_is_waited_for_once_and_briefly(settings: Settings) -> None:
    beat(BEAT, Kind.SCHEDULER)
    with frozen_redis() as url:
        settings.REDIS_URL = settings.RATE_LIMIT_STORAGE = url
        assert wrong() == {"redis": "away"}


def test_a_question_that_hangs_is_asked_once_however_many_wait() -> None:
    asked, hold = [], threading.Event()

    def hang() -> str:
        asked.append(1)
        hold.wait()
        return "at last"

    question = probes.Question(hang)
    for _ in range(3):
        with pytest.raises(probes.NoAnswer, match="no answer within"):
            question.answer(0.01)
    hold.set()
    assert question.answer(10) == "at last"
    assert len(asked) == 1


def test_a_question_that_failed_is_asked_anew() -> None:
    answers: Iterator[Any] = iter([OSError("postgres://user:secret@host"), "well"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    question = probes.Question(ask)
    with pytest.raises(probes.NoAnswer, match="^OSError$"):
        question.answer(10)
    assert question.answer(10) == "well"


@contextmanager
def site(database_url: str, directory: Path) -> Iterator[str]:
    """The site in a process of its own, on this database; its address."""
    bind = f"127.0.0.1:{free_port()}"
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "DATA_DIR": str(directory),
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", bind, "--threads", "4"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while ask(f"http://{bind}/health/live/")[0] != 200:
                assert process.poll() is None and time.monotonic() < deadline, "the site does not come up"
                time.sleep(0.1)
            yield f"http://{bind}"
        finally:
            process.kill()


def ask(address: str) -> tuple[int, str]:
    """Status and body; 0 when nobody answers. A site that hangs fails the test."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:  # noqa: S310 - of this test's own site
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, ""


@pytest.mark.parametrize("listens", [True, False], ids=["silent", "gone"])
def test_a_database_that_is_away_is_said_and_not_waited_for(listens: bool, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if listens else free_port()
        with site(f"postgres://drumbeat@127.0.0.1:{port}/drumbeat", tmp_path) as address:
            for _ in range(3):
                status, body = ask(f"{address}/health/")
                assert (status, json.loads(body)) == (503, {"status": "down", "checks": {"database": "away"}})
            assert ask(f"{address}/health/live/") == (200, '{"status": "ok"}')
