"""`make chaos`: the fault tests, several at once, one JSON line each on standard output.

    python -m tests.chaos [--seed N] [--recipients N] [--only NAME,...] [--control] [--jobs N]
                          [--embedded | --distributed] [--small]

Exit code 1 when any failed. With --control every test runs without its guard, and passes by failing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import servers
from tests.chaos.processes import ROOT, Leash
from tests.chaos.scenarios import SCENARIOS, Scenario

# The longest first, so that the last ones to end are short.
ORDER = (3, 5, 4, 1, 9, 6, 2, 7, 10, 8)
# Recipients of the embedded tests, of those of the others.
EMBEDDED_SHARE = 5


@dataclass(frozen=True)
class Run:
    """One test to be run."""

    scenario: Scenario
    embedded: bool
    arguments: argparse.Namespace
    template: Path

    def command(self) -> list[str]:
        given = self.arguments
        recipients = given.recipients // EMBEDDED_SHARE if self.embedded else given.recipients
        flags = [f"--{name}" for name in ("small", "control") if getattr(given, name)]
        flags += ["--embedded"] if self.embedded else []
        what = [self.scenario.name, str(given.seed), str(recipients)]
        return [sys.executable, "-m", "tests.chaos.one", *what, *flags, "--template", str(self.template)]

    def line(self) -> dict[str, Any]:
        """Run it in a process that ends with this one: its input is a pipe that we hold."""
        with subprocess.Popen(
            self.command(), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            said = process.stdout.read()
        if not said:
            return {
                "test": self.scenario.name,
                "pass": False,
                "wrong": [f"it ended with {process.returncode}"],
            }
        line: dict[str, Any] = json.loads(said)
        return line


def runs(arguments: argparse.Namespace, template: Path) -> Iterator[Run]:
    only = set(filter(None, arguments.only.split(",")))
    for number in ORDER:
        scenario = next(scenario for scenario in SCENARIOS if scenario.number == number)
        if only and not only & {scenario.name, str(scenario.number)}:
            continue
        if not arguments.embedded:
            yield Run(scenario, False, arguments, template)
        if scenario.embedded and not arguments.distributed:
            yield Run(scenario, True, arguments, template)


def main() -> int:
    arguments = parse()
    for name in servers.VARIABLES.values():
        os.environ.pop(name, None)
    servers.find_or_install(["postgres", "redis"])
    for number in (signal.SIGTERM, signal.SIGINT):
        # No exception, which would wait for the tests that run: they and the keeper see that we are gone.
        signal.signal(number, lambda received, _: os._exit(128 + received))
    if arguments.template:
        return int(not all(report(arguments, arguments.template)))
    directory = Path(tempfile.mkdtemp(prefix="drumbeat-"))
    leash = Leash(directory)
    try:
        make = [sys.executable, "-m", "tests.chaos.template", str(directory)]
        subprocess.run(make, cwd=ROOT, check=True, stdout=sys.stderr)
        return int(not all(report(arguments, directory)))
    finally:
        leash.let_go()


def report(arguments: argparse.Namespace, template: Path) -> list[bool]:
    """Run the tests and print their lines as they end; whether each passed."""
    passed = []
    with ThreadPoolExecutor(arguments.jobs) as jobs:
        for line in as_completed([jobs.submit(run.line) for run in runs(arguments, template)]):
            sys.stdout.write(json.dumps(line.result()) + "\n")
            sys.stdout.flush()
            passed.append(line.result()["pass"])
    return passed or [False]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Run the fault tests.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipients", type=int, default=10_000)
    parser.add_argument("--only", default="", help="names or numbers, separated by commas")
    parser.add_argument("--control", action="store_true", help="without each test's guard: all must fail")
    parser.add_argument("--small", action="store_true", help="few faults and short outages")
    parser.add_argument("--jobs", type=int, default=2, help="tests at once")
    parser.add_argument("--template", type=Path, help="what tests.chaos.template has made; else made anew")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--embedded", action="store_true", help="only on SQLite with one worker")
    mode.add_argument("--distributed", action="store_true", help="only with PostgreSQL, Redis and Celery")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
