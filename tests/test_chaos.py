"""tests/chaos: its fast part, on the database of this run, and what it promises about itself.

`make chaos` runs all of it in full. Each test there has servers of its own, whatever this run has.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.chaos.processes import wait_for

ROOT = Path(__file__).parents[1]
# What can break depends on the mode: one worker on SQLite, or Celery with PostgreSQL and Redis.
MODE = {
    "sqlite": ["--embedded", "--recipients", "1000"],
    "postgresql": ["--distributed", "--recipients", "400"],
}
FAST = {"sqlite": "kills,silence,poison", "postgresql": "kills,postgres,leavers"}


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The program with its short dose, on installations copied from one that is made once."""
    template, mode = tmp_path_factory.mktemp("template"), MODE[connection.vendor]
    subprocess.run([sys.executable, "-m", "tests.chaos.template", template, mode[0]], cwd=ROOT, check=True)
    return [sys.executable, "-m", "tests.chaos", "--small", *mode, "--jobs", "3", "--template", str(template)]


def chaos(command: list[str], *arguments: str) -> list[dict[str, Any]]:
    """The lines of a run, whose standard output has nothing else."""
    done = subprocess.run([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == int(not all(line["pass"] for line in lines)), lines
    return lines


def test_faults_double_no_mail_and_lose_none(command: list[str]) -> None:
    fast = FAST[connection.vendor]
    lines = chaos(command, "--only", fast)
    assert len(lines) == len(fast.split(","))
    for line in lines:
        assert line["pass"], line
        assert line["duplicates"] == line["lost"] == 0


def test_without_its_guard_a_fault_test_fails(command: list[str]) -> None:
    [line] = chaos(command, "--only", "kills", "--control")
    assert line["control"]
    assert line["pass"], line
    assert line["duplicates"] > 0


def test_nothing_is_left_when_it_is_killed(command: list[str]) -> None:
    mark = f"CHAOS_MARK={uuid.uuid4()}"
    environment = os.environ | dict([mark.split("=")])
    with subprocess.Popen(
        [*command, "--only", "kills"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    ) as run:
        assert wait_for(lambda: "send_due" in commands(mark) or "celery" in commands(mark), 120)
        run.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not commands(mark), 30), commands(mark)


# Goes in the moment in which a process has been started and nobody else knows it.
GOES_AT_ONCE = """
import os, sys
from pathlib import Path
from tests.chaos import processes

class Popen(processes.subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        os._exit(0)

processes.subprocess.Popen = Popen
here = Path(sys.argv[1])
command = [sys.executable, "-c", "import time; time.sleep(600)"]
processes.Process(processes.Leash(here / "scratch"), command, here / "log", os.environ).start()
"""


def test_what_is_started_in_the_last_moment_is_ended(tmp_path: Path) -> None:
    mark = f"CHAOS_MARK={uuid.uuid4()}"
    environment = os.environ | dict([mark.split("=")])
    subprocess.run([sys.executable, "-c", GOES_AT_ONCE, tmp_path], cwd=ROOT, env=environment, check=True)
    assert wait_for(lambda: not commands(mark), 30), commands(mark)


def commands(mark: str) -> str:
    """The commands of the processes that have this in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return "\n".join(filter(None, found))
