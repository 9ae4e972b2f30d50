"""What is done to a world: each fault happens to processes by their ids, and counts itself."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from tests.chaos.oracle import Outcome
from tests.chaos.processes import Process, children, connections, wait_for
from tests.chaos.world import World

# Of a hundred kills, so many meet one pool process; the others a worker, whose pool dies with it.
CHILDREN = 85
# Seconds that the storm waits for a victim which is sending.
HUNT = 15
# Of all mails, so many leave in a second while faults happen, and hardly any when that is ahead of them.
AHEAD, BEHIND = 1 / 2000, 1 / 25
# At the last fault, others still wait for their mail.
SOME_WAIT = 0.6


def keep_pace(world: World, share: float) -> None:
    """Let the provider's pace follow the share of the faults that have happened, on any machine."""
    recipients = world.dose.recipients
    is_ahead = world.sink.accepted > share * recipients * SOME_WAIT
    world.sink.set(pace=recipients * (AHEAD if is_ahead else BEHIND))


def kill_storm(world: World, workers: list[Process], outcome: Outcome, kills: int) -> None:
    """Kill -9 workers and their pool processes, at moments when they have mail in hand."""
    in_hand = 0
    for number in range(kills):
        keep_pace(world, number / kills)
        victims = _victims(world, workers)
        held = _freeze_and_count(victims, world.sink.smtp)
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        outcome.faults += 1
        outcome.allowed_unknown += held
        in_hand += held > 0
        time.sleep(world.random.uniform(0.05, 0.3))
    outcome.found["kills_in_hand"] = in_hand


def _victims(world: World, workers: list[Process]) -> list[int]:
    """A process that is sending, if there is one soon, or its worker with all processes of that."""
    sending: list[int] = []

    def found() -> bool:
        sending[:] = [pid for pid in world.senders() if connections(pid, world.sink.smtp)]
        return bool(sending)

    wait_for(found, HUNT, every=0.02)
    child = world.random.choice(sending) if sending else 0
    parent = next((w for w in workers if child in children(w.pid)), world.random.choice(workers))
    if child and (world.embedded or world.random.randrange(100) < CHILDREN):
        return [child]
    return [parent.pid, *children(parent.pid)]


def _freeze_and_count(pids: list[int], port: int) -> int:
    """Stop the processes, so that nothing changes any more, and count their connections to the sink."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    return sum(connections(pid, port) for pid in pids)
