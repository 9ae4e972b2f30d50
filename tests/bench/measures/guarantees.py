"""What each guarantee costs: the same campaign with all of them, and without one of them, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line, rounded
from tests.bench.measures.alone import Alone
from tests.bench.world import World

RECIPIENTS = 50_000


def measure(world: World) -> Iterator[Line]:
    people.customers(world.scaled(RECIPIENTS))
    alone = Alone(world)
    microseconds: dict[str, list[float]] = {name: [] for name in WITHOUT}
    for _ in range(world.runs + 1):
        for name, without in WITHOUT.items():
            with without():
                seconds = alone.seconds(limited=name != "limits")
            microseconds[name].append(seconds / alone.mails * 1e6)
    # The first round warms caches and the database up.
    medians = {name: median(runs[1:]) for name, runs in microseconds.items()}
    everything = medians.pop("nothing")
    yield line(
        "guarantees",
        microseconds["nothing"][1:],
        "us/mail",
        costs={name: rounded(everything - left) for name, left in medians.items()},
        ratios={name: round(everything / left, 3) for name, left in medians.items()},
        recipients=alone.mails,
        processes=1,
        target=None,
        passed=None,
    )


@contextmanager
def replaced(place: object, name: str, value: object) -> Iterator[None]:
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


def without_gate() -> AbstractContextManager[None]:
    """Nobody looks at consent and suppression before a mail leaves."""
    from delivery import claim

    return replaced(claim, "refusal_sql", lambda customer, suppression: "''")


@contextmanager
def without_journal() -> Iterator[None]:
    """What a worker has in hand is written down nowhere but in the ledger."""
    from delivery.journal import Journal

    with ExitStack() as stack:
        for name in ("took", "building", "built", "leaving", "answered", "settled"):
            stack.enter_context(replaced(Journal, name, lambda *_: None))
        yield


WITHOUT: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "nothing": nullcontext,
    "gate": without_gate,
    "journal": without_journal,
    # Those of the sender, which Alone leaves away.
    "limits": nullcontext,
}
