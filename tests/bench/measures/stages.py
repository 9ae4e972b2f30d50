"""Where a sending process spends its time: microseconds of processor time a mail, by stage, sampled."""

from __future__ import annotations

import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.bench import people
from tests.bench.lines import Line, line, rounded
from tests.bench.measures.alone import Alone
from tests.bench.world import World

RECIPIENTS = 50_000
# Seconds of processor time between two samples.
EVERY = 0.001
ROOT = Path(__file__).parents[3]
# The innermost of these in a sample's stack is what the process was doing.
STAGES = {
    "delivery/fill.py": "fill",
    "delivery/claim.py": "claim and gate",
    "delivery/limits.py": "limits",
    "delivery/journal.py": "journal",
    "campaigns/content": "render",
    "delivery/message.py": "build",
    "delivery/transports": "hand over",
    "delivery/settle.py": "settle",
    "delivery/handover.py": "stream",
    "delivery/worker.py": "look for work",
}


def measure(world: World) -> Iterator[Line]:
    people.customers(world.scaled(RECIPIENTS))
    alone = Alone(world)
    alone.seconds()
    totals, rates, stages = [], [], Counter[str]()
    for _ in range(world.runs):
        with sampled(stages):
            before = processor_seconds()
            seconds = alone.seconds()
            totals.append((processor_seconds() - before) / alone.mails * 1e6)
        rates.append(alone.mails / seconds)
    samples = stages.total()
    mean = sum(totals) / len(totals)
    yield line(
        "stages",
        totals,
        "us of CPU/mail",
        stages={name: rounded(mean * number / samples) for name, number in stages.most_common()},
        samples=samples,
        mails_per_second=[round(rate) for rate in rates],
        recipients=alone.mails,
        processes=1,
        target=None,
        passed=None,
    )


@contextmanager
def sampled(stages: Counter[str]) -> Iterator[None]:
    """Count which stage this process is in, a thousand times a second of its processor time."""

    def sample(_: int, frame: FrameType | None) -> None:
        stages[stage_of(frame)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def stage_of(frame: FrameType | None) -> str:
    while frame is not None:
        path = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
        for start, stage in STAGES.items():
            if path.startswith(start):
                return stage
        frame = frame.f_back
    return "other"


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
