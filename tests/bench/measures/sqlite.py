"""SQLite: the embedded mode's one worker, on a database in a file."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.measures.smtp import Engine
from tests.bench.world import World

RECIPIENTS = 50_000
MAILS_PER_SECOND = 5_000


def measure(world: World) -> Iterator[Line]:
    people.customers(world.scaled(RECIPIENTS))
    engine = Engine(world, world.start("manage.py", "send_due", "--loop"))
    proof = engine.recorded()
    rates = [engine.rate() for _ in range(world.runs)]
    yield line(
        "sqlite",
        rates,
        "mails/s",
        recipients=world.scaled(RECIPIENTS),
        target=MAILS_PER_SECOND,
        passed=median(rates) >= MAILS_PER_SECOND,
        **(engine.said() | {"processes": 1}),
        **proof,
    )
