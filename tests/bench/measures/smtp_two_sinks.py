"""Two sinks: whether the engine, or one sink's core, is what limits the rate."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.measures.smtp import PROCESSES, RECIPIENTS, Engine
from tests.bench.world import World

TIMES_ONE = 1.5


def measure(world: World) -> Iterator[Line]:
    people.customers(world.scaled(RECIPIENTS))
    worker = world.celery(PROCESSES)
    one, two = Engine(world, worker), Engine(world, worker, sinks=2)
    proof = two.recorded()
    ones, twos = [], []
    for _ in range(world.runs):
        ones.append(one.rate())
        twos.append(two.rate())
    ratio = median(twos) / median(ones)
    yield line(
        "smtp_two_sinks",
        twos,
        "mails/s",
        against="one sink",
        against_runs=[round(rate) for rate in ones],
        ratio=round(ratio, 3),
        recipients=world.scaled(RECIPIENTS),
        target=TIMES_ONE,
        passed=ratio >= TIMES_ONE,
        **two.said(),
        **proof,
    )
