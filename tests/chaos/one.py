"""One fault test, in a process of its own, since each has its own database: prints its line.

python -m tests.chaos.one NAME SEED RECIPIENTS [--small] [--control] [--embedded] [--template DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from tests.chaos import oracle
from tests.chaos.scenarios import SCENARIOS, Scenario
from tests.chaos.world import Dose, Options, TimeLimit, World, django_ready


def play(scenario: Scenario, options: Options) -> dict[str, Any]:
    """Build the world, break it, judge it."""
    outcome = oracle.Outcome()
    start = time.monotonic()
    with World(scenario.name, options) as world, django_ready(world):
        try:
            scenario.run(world, outcome)
        except TimeLimit as limit:
            outcome.wrong.append(str(limit))
        world.stop()
        numbers = oracle.judge(world, outcome)
        if kept := os.environ.get("CHAOS_LOGS"):
            world.keep(Path(kept))
    return {
        **numbers,
        "pass": not outcome.wrong,
        **outcome.found,
        "wrong": outcome.wrong,
        "seconds": round(time.monotonic() - start),
    }


def line(scenario: Scenario, options: Options) -> dict[str, Any]:
    """The test's line; a control passes when the test without its guard failed as that must show."""
    head: dict[str, Any] = {
        "test": f"{scenario.number}-{scenario.name}",
        "seed": options.seed,
        "recipients": options.dose.recipients,
    }
    if options.embedded:
        head["database"] = "sqlite"
    try:
        found = play(scenario, options)
    except Exception:
        traceback.print_exc()
        return head | {"pass": False, "wrong": ["the test itself broke; see standard error"]}
    if options.guard:
        found["pass"] = any(wrong.startswith(scenario.symptom) for wrong in found["wrong"])
        head |= {"control": True, "guard": options.guard}
    return head | found


def end_with_our_parent() -> None:
    """End when whoever started us has: they hold the other end of our input, unless that is a terminal."""

    def listen() -> None:
        while os.read(0, 1000):
            pass
        os._exit(1)

    if not sys.stdin.isatty():
        threading.Thread(target=listen, daemon=True).start()


def main() -> int:
    parser = argparse.ArgumentParser(description="Run one fault test.")
    parser.add_argument("name", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("seed", type=int)
    parser.add_argument("recipients", type=int)
    for flag in ("small", "control", "embedded"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--template", type=Path)
    given = parser.parse_args()
    end_with_our_parent()
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == given.name)
    dose = (Dose.small if given.small else Dose.full)(given.recipients)
    guard = scenario.guard if given.control else ""
    result = line(scenario, Options(given.seed, dose, given.template, guard, given.embedded))
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["pass"] else 1


if __name__ == "__main__":
    sys.exit(main())
