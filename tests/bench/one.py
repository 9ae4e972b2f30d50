"""One world in a process of its own: `python -m tests.bench.one NAME,... SHARE RUNS` prints its lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout

import django
from django.core.management import call_command

from tests.bench.lines import Line
from tests.bench.measures import MEASURES
from tests.bench.world import World


def measure(names: list[str], share: float, runs: int) -> Iterator[Line]:
    """Make an installation, and say what the measurements say."""
    with World(share, runs) as world:
        django.setup()
        call_command("migrate", verbosity=0)
        for name in names:
            yield from MEASURES[name].function(world)


def main(names: str, share: str, runs: str) -> int:
    # Nothing but lines may come out.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with redirect_stdout(sys.stderr):
        for line in measure(names.split(","), float(share), int(runs)):
            more = {} if float(share) == 1 else {"share": float(share)}
            out.write(json.dumps(line | more) + "\n")
            out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
