"""The fault tests, by number and name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.oracle import Outcome
from tests.chaos.scenarios import broker, crowd, database, provider, workers
from tests.chaos.world import World


@dataclass(frozen=True)
class Scenario:
    """One fault test: what it does to a world, and the guard whose absence it must notice."""

    number: int
    name: str
    run: Callable[[World, Outcome], None]
    # Of tests/chaos/guards, and how what is found wrong without it begins.
    guard: str
    symptom: str
    # Whether the embedded mode, SQLite and one worker, can have this fault.
    embedded: bool = False


SCENARIOS = [
    Scenario(1, "kills", workers.kills, "doubt_is_not_resent", "duplicates", embedded=True),
    Scenario(2, "silence", provider.silence, "silence_is_not_refusal", "duplicates", embedded=True),
    Scenario(3, "redis", broker.killed, "bell_rings_again", "lost"),
    Scenario(4, "redis_frozen", broker.frozen, "pages_do_not_ring", "pages failed"),
    Scenario(5, "postgres", database.postgres, "answers_are_in_the_journal", "unknown"),
    Scenario(6, "refusals", provider.refusals, "retry_after_is_obeyed", "early_requests"),
    Scenario(7, "crowd", crowd.clicks, "pause_is_looked_at", "sent_while_paused"),
    Scenario(8, "leavers", crowd.leaving, "gate_looks_at_refusals", "sending_after_leaving", embedded=True),
    Scenario(9, "frozen", workers.frozen, "ended_lease_is_doubt", "duplicates"),
    Scenario(10, "poison", workers.poison, "crashes_are_counted", "lost", embedded=True),
]
