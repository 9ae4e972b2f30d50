"""What happens to workers: killed, frozen, poisoned."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from tests.chaos import faults, people
from tests.chaos.oracle import Outcome, longest_pause
from tests.chaos.processes import connections, memory, owner, wait_for
from tests.chaos.world import TimeLimit, World

if TYPE_CHECKING:
    from audience.models import Segment

# MB that a sending process may have; a recipient of 5 MB is among those of the poison test.
MEMORY = 300
# Seconds of a lease, where a worker is frozen for longer; within so many more the others have looked.
LEASE, MENDED = 15, 20


def kills(world: World, outcome: Outcome) -> None:
    """SIGKILL of workers and pool processes, again and again, while they have mail in hand."""
    campaign = people.filled(world)
    # Many are accepted and not yet answered: the moment that a kill must not turn into a second mail.
    faults.keep_pace(world, 0)
    workers = world.send(campaign, workers=world.dose.crew)
    # The one embedded worker takes seconds to start.
    storm = world.dose.kills // 4 if world.embedded else world.dose.kills
    faults.kill_storm(world, workers, outcome, storm)
    outcome.recovered_s = world.resumes()
    world.sink.set(pace=0)
    world.drain()


def frozen(world: World, outcome: Outcome) -> None:
    """A worker is frozen beyond its lease right before a body leaves, and one right after, to the end.

    The first comes back in mid-campaign; the second when the campaign has ended without it.
    """
    world.engine_environment["SEND_LEASE_SECONDS"] = str(LEASE)
    campaign = people.filled(world)
    world.sink.set(pace=world.dose.recipients / (LEASE * 4))
    world.send(campaign)
    first = _freeze_at(world, "data", outcome)
    time.sleep(LEASE + MENDED)
    os.kill(first, signal.SIGCONT)
    outcome.recovered_s = world.resumes()
    second = _freeze_at(world, "dot", outcome)
    world.sink.set(pace=0)
    time.sleep(LEASE + MENDED)
    world.drain()
    os.kill(second, signal.SIGCONT)
    # It has much to correct: what never left is queued once more, and its campaign reopened.
    unknown = "SELECT count(*) FROM delivery_sendlog WHERE status = 'unknown'"
    wait_for(lambda: world.books.one(unknown) == 0, MENDED)
    world.drain()


def _freeze_at(world: World, point: str, outcome: Outcome) -> int:
    """Freeze the process whose mail the sink holds at this point of the dialogue; its id.

    What the sink says goes out at once, to be read when the process lives again.
    """
    world.sink.set(hold=point)
    if not wait_for(lambda: world.sink.ask()["held"], 60):
        raise TimeLimit("no worker sends anything")
    port = world.sink.ask()["held"][0]["port"]
    victim = owner(port, world.sink.smtp, world.senders())
    if victim is None:
        raise TimeLimit("whose mail it is cannot be found")
    os.kill(victim, signal.SIGSTOP)
    world.sink.ask(release=True)
    outcome.faults += 1
    outcome.allowed_unknown += connections(victim, world.sink.smtp)
    return victim


# --- Poison --------------------------------------------------------------------------------------

# The template divides by the number of orders; a customer who has none breaks it.
DIVIDES = people.BODY + "<p>{{ 100 | divided_by: customer.orders }} {{ customer.notes | truncate: 40 }}</p>"
# Loops in one another, which would end after the sun does.
ENDLESS = "".join(f"{{% for {i} in (1..1000) %}}" for i in "abcde") + "x" + "{% endfor %}" * 5 + people.BODY
# One in so many customers breaks the template, one in so many has 5 MB of notes, one kills its worker.
BROKEN_EVERY, HEAVY_EVERY, DEADLY = 100, 2500, 77
# So many customers, known by their orders, get the endless template.
PATIENT, PATIENT_ORDERS = 20, 99
# Workers that a mail may stop (delivery.sweep).
CRASHES = 5


def poison(world: World, outcome: Outcome) -> None:
    """Customers whose data breaks the template, an endless one, 5 MB of text, and one who kills workers."""
    numbers = range(PATIENT, world.dose.recipients)
    patient = {number: {"orders": PATIENT_ORDERS} for number in range(PATIENT)}
    broken = {number: {"orders": 0} for number in numbers if number % BROKEN_EVERY == 1}
    heavy = {
        number: {"orders": 1, "notes": "x" * 5_000_000} for number in numbers if number % HEAVY_EVERY == 22
    }
    people.customers(world, patient | broken | heavy)
    good = people.campaign(world, template=people.template(DIVIDES))
    endless = people.campaign(world, template=people.template(ENDLESS), segment=_patient_segment())
    outcome.audience = world.dose.recipients + PATIENT
    world.engine_environment["CHAOS_DEADLY"] = people.address(DEADLY)
    world.send(endless, good)
    outcome.allowed_unknown = CRASHES * _drain_and_count(world)
    outcome.faults = len(broken) + len(heavy) + PATIENT + 1
    outcome.recovered_s = longest_pause(world)
    outcome.found["worker_mb"] = max(memory(pid) for pid in world.senders())
    outcome.must(outcome.found["worker_mb"] < MEMORY, f"a worker took {outcome.found['worker_mb']} MB")
    expected = {
        (good.pk, "failed", "render"): len(broken),
        (good.pk, "failed", "poison"): 1,
        (endless.pk, "failed", "render"): PATIENT,
    }
    sql = "SELECT campaign_id, status, reason, count(*) FROM delivery_sendlog GROUP BY 1, 2, 3"
    found = {(of, status, reason): count for of, status, reason, count in world.books.all(sql)}
    found = {key: count for key, count in found.items() if key[1] not in ("sent", "unknown")}
    outcome.must(found == expected, f"ends other than expected: {found}")


def _drain_and_count(world: World) -> int:
    """Wait for the end; the most connections that one process had, whose mails are in doubt when it dies."""
    most = 0

    def count() -> None:
        nonlocal most
        most = max([most, *(connections(pid, world.sink.smtp) for pid in world.senders())])

    world.drain(150, meanwhile=count)
    return most


def _patient_segment() -> Segment:
    from tests.factories import SegmentFactory

    rule = {"field": "attributes.orders", "operator": "equals", "value": PATIENT_ORDERS}
    made: Segment = SegmentFactory(criteria={"all": [rule]})
    return made
