"""Segments: the count and the sample of five rule sets over a million customers and their mails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from tests.bench import people
from tests.bench.lines import Line, line, rounded
from tests.bench.rules import RULE_SETS
from tests.bench.world import World

CUSTOMERS = 1_000_000
SAMPLE = 20
MEDIAN_MS, WORST_MS = 100, 1000
# Days ago that each campaign to everybody was sent.
CAMPAIGNS = (20, 5)
# What came back about them: type, and how many in a thousand mails.
EVENTS = {"delivered": 980, "opened": 300, "clicked": 40, "bounced": 15}


def measure(world: World) -> Iterator[Line]:
    from audience import segments
    from audience.models import Segment

    people.customers(world.scaled(CUSTOMERS), opted_in=85)
    mails()
    workspace = world.workspace()
    for name, criteria in RULE_SETS.items():
        Segment.objects.create(workspace=workspace, name=name, criteria=criteria)
    begun = time.perf_counter()
    made = segments.keep_indexes()
    indexing = time.perf_counter() - begun
    found = {name: _ask(workspace, criteria, world.runs + 2) for name, criteria in RULE_SETS.items()}
    sums = [
        one + other
        for _, counts, samples in found.values()
        for one, other in zip(counts, samples, strict=True)
    ]
    yield line(
        "segments",
        sums,
        "ms",
        worst=rounded(max(sums)),
        customers=world.scaled(CUSTOMERS),
        rule_sets={name: _shown(*asked) for name, asked in found.items()},
        attribute_indexes=len(made),
        indexing_s=round(indexing, 2),
        target=MEDIAN_MS,
        target_worst=WORST_MS,
        passed=median(sums) < MEDIAN_MS and max(sums) < WORST_MS,
    )


def mails() -> None:
    """The ledger of two campaigns to everybody who opted in, and what came back about it."""
    for number, days in enumerate(CAMPAIGNS, 1):
        people.run(
            "INSERT INTO delivery_sendlog (workspace_id, campaign_id, step, customer_id, sender_id, email,"
            " status, attempts, due_at, sent_at)"
            " SELECT workspace_id, %s, 1, id, 1, email, 'sent', 1, at, at FROM audience_customer,"
            " (SELECT now() - %s * interval '1 day' AS at) AS moment WHERE subscribed",
            [number, days],
        )
    for prime, (type_, share) in zip(people.PRIMES.values(), EVENTS.items(), strict=False):
        people.run(
            "INSERT INTO delivery_event (workspace_id, sendlog_id, customer_id, type, source, key, detail,"  # noqa: S608
            " verdict, at, applied_at) SELECT workspace_id, id, customer_id, %(type)s, 'provider',"
            " %(type)s || id, '', CASE WHEN %(type)s IN ('opened', 'clicked') THEN 'person' ELSE '' END,"
            " sent_at + (id %% 5000) * interval '1 minute', now() FROM delivery_sendlog"
            f" WHERE id * {prime} %% {people.MODULUS} %% 1000 < %(share)s",
            {"type": type_, "share": share},
        )
    people.run("VACUUM ANALYZE")


def _ask(workspace: Any, criteria: Any, runs: int) -> tuple[int, list[float], list[float]]:
    """How many there are, and the milliseconds of each count and each sample; one try goes before."""
    from audience import segments

    found = segments.count(workspace, criteria)
    segments.sample(workspace, criteria, SAMPLE)
    counts = [_clocked(lambda: segments.count(workspace, criteria)) for _ in range(runs)]
    samples = [_clocked(lambda: segments.sample(workspace, criteria, SAMPLE)) for _ in range(runs)]
    return found, counts, samples


def _clocked(ask: Callable[[], object]) -> float:
    begun = time.perf_counter()
    ask()
    return (time.perf_counter() - begun) * 1000


def _shown(found: int, counts: list[float], samples: list[float]) -> dict[str, float]:
    return {"people": found, "count_ms": rounded(median(counts)), "sample_ms": rounded(median(samples))}
