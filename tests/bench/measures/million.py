"""A million recipients in one campaign, activation included: the same rate, and flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.measures.smtp import PROCESSES, RECIPIENTS, Engine
from tests.bench.world import World

MILLION = 1_000_000
# Of the rate at 100,000 in the same run; a run varies by a twentieth.
SAME_RATE = 0.95
MOST_MB = 80


def measure(world: World) -> Iterator[Line]:
    people.customers(world.scaled(RECIPIENTS))
    worker = world.celery(PROCESSES)
    smaller = [Engine(world, worker).rate() for _ in range(world.runs)]
    people.run("TRUNCATE audience_customer CASCADE")
    people.customers(world.scaled(MILLION))
    watch = Watch(world.scaled(MILLION))
    engine = Engine(world, worker, meanwhile=lambda sent: watch.look(sent, world.peaks(worker)))
    larger = [engine.rate() for _ in range(world.runs)]
    ratio = median(larger) / median(smaller)
    said = engine.said()
    yield line(
        "million",
        larger,
        "mails/s",
        against="the same with a tenth of the recipients",
        against_runs=[round(rate) for rate in smaller],
        ratio=round(ratio, 3),
        recipients=world.scaled(MILLION),
        target=SAME_RATE,
        target_mb=MOST_MB,
        quarter_mb=watch.quarter,
        passed=ratio >= SAME_RATE and max(said["peak_mb"]) <= MOST_MB,
        **said,
    )


class Watch:
    """The memory of the sending processes when the first quarter had been sent."""

    def __init__(self, recipients: int) -> None:
        self.quarter: list[int] = []
        self._after = recipients // 4

    def look(self, sent: int, peaks: list[int]) -> None:
        if not self.quarter and sent >= self._after:
            self.quarter = peaks
