"""`make bench`: the machine, then one JSON line for each measurement, and nothing else, on standard output.

    python -m tests.bench [--only NAME,...] [--share S] [--runs N] [--own-sink]

Each has servers of its own and runs in a process of its own, one after the other, but for those that share
a world (tests/bench/measures/__init__.py). Exit code 1 when a target is missed or a measurement fails.
Takes the machine for itself: run nothing beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests import servers
from tests.bench import postfix
from tests.bench.lines import Line
from tests.bench.machine import machine
from tests.bench.measures import MEASURES

ROOT = Path(__file__).parents[2]
# Everything else is as PostgreSQL comes: every commit waits for the disk.
SETTINGS = [
    "synchronous_commit=on",
    # A quarter of a small server's memory, and a sort or hash join of a million rows in memory.
    "shared_buffers=1GB",
    "work_mem=32MB",
    "maintenance_work_mem=256MB",
    "max_wal_size=4GB",
    # One process beside the first for a query: all cores of the machine that the targets speak of.
    "max_parallel_workers_per_gather=1",
]


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = parse()
    names = chosen(arguments.only)
    if arguments.own_sink:
        os.environ[postfix.OWN_SINK] = "1"
    for variable in servers.VARIABLES.values():
        # Servers of somebody's own are neither empty nor set as the figures need.
        os.environ.pop(variable, None)
    programs = servers.find_or_install(["postgres", "redis"])
    say(machine(SETTINGS))
    passed = True
    for _, group in groupby(names, lambda name: MEASURES[name].world or name):
        together = list(group)
        own = {kind: path for kind, path in programs.items() if kind in MEASURES[together[0]].servers}
        with servers.kept(own, durable=True, settings=SETTINGS) as addresses:
            for line in lines(together, arguments, addresses):
                say(line)
                passed = passed and line["pass"] is not False
    return 0 if passed else 1


def chosen(only: str) -> list[str]:
    """The names asked for, all without any. Ends with the list of names when one is unknown."""
    names = [name for name in only.replace(",", " ").split() if name]
    if unknown := [name for name in names if name not in MEASURES]:
        sys.stderr.write(f"bench: there is no {', '.join(unknown)}. Choose among: {' '.join(MEASURES)}\n")
        sys.exit(2)
    return names or list(MEASURES)


def lines(names: list[str], arguments: argparse.Namespace, addresses: dict[str, str]) -> Iterator[Line]:
    """What the measurements of one world say; a line about its failure when it ends before its time."""
    said = ",".join(names)
    command = [sys.executable, "-m", "tests.bench.one", said, str(arguments.share), str(arguments.runs)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | addresses, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield from map(json.loads, process.stdout)
    if process.returncode:
        yield {"bench": said, "error": f"it ended with {process.returncode}", "pass": False}


def say(line: Line) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Drumbeat.")
    parser.add_argument("--only", default="", help="names, separated by commas; all without it")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of recipients and customers, for a quick look"
    )
    parser.add_argument("--runs", type=int, default=3, help="of everything; the median counts")
    parser.add_argument("--own-sink", action="store_true", help="look for no smtp-sink, download nothing")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except servers.Unavailable as error:
        servers.say(str(error))
        sys.exit(1)
