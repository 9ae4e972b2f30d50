"""Idle: what a worker costs that has nothing to do, in queries and in CPU."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from django.db import connection

from tests.bench.lines import Line, line
from tests.bench.people import run
from tests.bench.world import World
from tests.chaos.processes import Process, children

# Seconds before and during the look.
SETTLE, LOOK = 15, 40
# Shares of a core: what the clock of a process can tell from nothing.
CPU = 0.01
STATEMENT = re.compile(r"(?:statement|execute [^:]*): +(.*)")
# How Django asks whether a connection still stands.
CHECK = "(an empty statement)"
VALUES = re.compile(r"'[^']*'|\b\d+\b")


def measure(world: World) -> Iterator[Line]:
    run("ALTER SYSTEM SET log_statement = 'all'")
    run("SELECT pg_reload_conf()")
    yield _look(world, "celery worker of two processes, and beat", lambda: world.celery(2))
    world.stop()
    yield _look(world, "send_due --loop", lambda: world.start("manage.py", "send_due", "--loop"))


def _look(world: World, what: str, start: Callable[[], Process]) -> Line:
    """Start a worker, let it settle, and see what it does for a while."""
    worker = start()
    time.sleep(SETTLE * min(1, world.share * 10))
    log = Path(_show("data_directory")).with_name("postgres.log")
    position, before = log.stat().st_size, _cpu(worker)
    begun = time.monotonic()
    time.sleep(LOOK * min(1, world.share * 10))
    seconds = time.monotonic() - begun
    cpu = (_cpu(worker) - before) / seconds
    asked = statements(log, position)
    rates = {statement: count / seconds for statement, count in asked.items()}
    most = max(rates.values(), default=0.0)
    return line(
        "idle",
        [most],
        "times a second for the most frequent query",
        worker=what,
        queries_per_second=round(sum(rates.values()), 2),
        most_frequent=max(rates, key=lambda statement: rates[statement], default=""),
        cpu=round(cpu, 4),
        target=1,
        target_cpu=CPU,
        passed=most <= 1 and cpu <= CPU,
    )


def statements(log: Path, position: int) -> Counter[str]:
    """How often each statement was logged behind this position, without its values."""
    with log.open(errors="replace") as lines:
        lines.seek(position)
        found = (STATEMENT.search(row) for row in lines)
        return Counter(VALUES.sub("?", match[1])[:160] or CHECK for match in found if match)


def _show(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


def _cpu(worker: Process) -> float:
    """Seconds of CPU that a worker and its children have had."""
    return sum(_ticks(pid) for pid in [worker.pid, *children(worker.pid)]) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
