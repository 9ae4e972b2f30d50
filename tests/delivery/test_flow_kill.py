"""Kill -9 of processes that move people on: nobody is moved twice, and nobody is stuck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from audience import clock
from audience.models import Attribute
from campaigns.flows import advance, starts
from campaigns.models import Campaign, Enrollment, StepSum
from delivery import flow_mails
from delivery.models import Progress, SendLog
from tests.factories import AttributeFactory, CustomerFactory
from tests.flows import START, activated, days, leave, send, split, update, wait

ROOT = Path(__file__).parents[2]
# FLOW_PEOPLE=50000 FLOW_KILLS=40 is a storm.
PEOPLE = int(os.environ.get("FLOW_PEOPLE", "1500"))
KILLS = int(os.environ.get("FLOW_KILLS", "4"))


@pytest.mark.django_db(transaction=True)
def test_killed_processes_move_nobody_twice_and_leave_nobody_behind(
    child_environment: dict[str, str],
) -> None:
    AttributeFactory(name="arm", type=Attribute.Type.TEXT)
    CustomerFactory.create_batch(PEOPLE)
    with clock.at(START):
        campaign = activated(
            wait(1, days=3), split(2, (1, [update(3, "arm", "a")]), (1, [wait(4, days=1)])), send(5), leave(6)
        )
        Progress.objects.create(campaign=campaign)
    while starts.enter(campaign, START):
        pass
    while advance.advance(campaign, START):
        pass
    now = days(3)
    for kill in range(KILLS):
        processes = [_process(child_environment, campaign, now) for _ in range(2)]
        _wait_for_moves((kill + 1) * PEOPLE // (KILLS + 2), processes)
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    moved = StepSum.objects.get(step=1).passed
    assert moved == Enrollment.objects.exclude(step=1).count()
    while advance.advance(campaign, now):
        pass
    assert StepSum.objects.get(step=1).passed == StepSum.objects.get(step=2).passed == PEOPLE
    assert set(Enrollment.objects.values_list("state", "step", "fence")) == {
        ("ready", 5, 2),
        ("waiting", 4, 2),
    }
    while flow_mails.fill(campaign, now):
        pass
    mails = SendLog.objects.count()
    assert mails == Progress.objects.get().matched == Enrollment.objects.filter(state="mailing").count()


def _process(environment: dict[str, str], campaign: Campaign, now: datetime) -> subprocess.Popen[bytes]:
    """One that moves ten at a time."""
    command = [sys.executable, "-m", "tests.bench.advancing", str(campaign.pk), now.isoformat(), "10"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    )


def _wait_for_moves(count: int, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + 120
    while not StepSum.objects.filter(step=1, passed__gte=count).exists():
        assert any(process.poll() is None for process in processes), "they ended by themselves"
        assert time.monotonic() < deadline, "nobody is moved"
        time.sleep(0.002)
