"""What happens to the database: it crashes, and it stays away."""

from __future__ import annotations

import time

from tests.chaos import people
from tests.chaos.oracle import Outcome
from tests.chaos.world import World


def postgres(world: World, outcome: Outcome) -> None:
    """PostgreSQL stops at once and comes back, several times, and then stays away for a minute."""
    campaign = people.filled(world)
    world.sink.set(latency=0.02, pace=world.dose.recipients / 60)
    world.send(campaign)
    for away in [0.0] * world.dose.restarts + [world.dose.postgres_away]:
        time.sleep(world.random.uniform(2, 5))
        world.postgres.crash()
        time.sleep(away)
        world.postgres.start()
        outcome.faults += 1
    outcome.recovered_s = world.resumes()
    world.sink.set(pace=0, latency=0)
    world.drain()
    outcome.found["restarted_processes"] = world.crew.restarts
