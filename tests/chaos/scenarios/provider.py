"""What providers do: fall silent after they took a mail, hang up, refuse, ask for patience."""

from __future__ import annotations

from tests.chaos import people
from tests.chaos.oracle import Outcome, longest_pause
from tests.chaos.world import World

# Share of the recipients whose mail is taken and met with a reset.
RESET = 0.016
# Shares that are refused for now, and for how long a service that is busy stays closed, in seconds.
REFUSED = {"421": 0.002, "451": 0.05, "429": 0.001, "503": 0.001}
CLOSED_SECONDS = 5
# Seconds within which all workers must have heard of it: calls were on their way, turns had begun.
HEARSAY_SECONDS = 1.0


def silence(world: World, outcome: Outcome) -> None:
    """A mail is taken, and then comes no answer, or the connection is reset: for 2 % of all."""
    campaign = people.filled(world)
    world.sink.set(hang=world.dose.hang, reset=RESET)
    world.send(campaign)
    world.drain(300)
    outcome.recovered_s = longest_pause(world)
    outcome.faults = sum(line["answer"] in ("hang", "reset") for line in world.sink.lines())
    outcome.allowed_unknown = outcome.faults
    unknown = world.books.one("SELECT count(*) FROM delivery_sendlog WHERE status = 'unknown'")
    outcome.must(unknown == outcome.faults, f"{unknown} unknown of {outcome.faults} without an answer")


def refusals(world: World, outcome: Outcome) -> None:
    """421 and 451 in SMTP, and 429 and 503 with Retry-After by HTTP: nobody knocks before the time."""
    people.customers(world)
    campaign = people.campaign(world, senders=[people.sender(world), people.service(world)])
    world.sink.set(refuse=REFUSED, retry_after=CLOSED_SECONDS, latency=0.02)
    world.send(campaign)
    world.drain(400)
    outcome.recovered_s = longest_pause(world)
    refused = [line for line in world.sink.lines() if not line["accepted"]]
    outcome.faults = len(refused) + world.sink.ask().get("hung_up", 0)
    reaction, early = _knocks(world)
    outcome.counted(early_requests=early)
    outcome.found["reaction_s"] = round(reaction, 2)
    sent = world.books.one("SELECT count(*) FROM delivery_sendlog WHERE status = 'sent'")
    outcome.must(sent == world.dose.recipients, f"{sent} sent")


def _knocks(world: World) -> tuple[float, int]:
    """The latest that a call came to the closed service, and how many came after HEARSAY_SECONDS."""
    closed_at, until, latest, early = 0.0, 0.0, 0.0, 0
    for line in world.sink.lines():
        if line["via"] != "http":
            continue
        if line["at"] < until:
            latest = max(latest, line["at"] - closed_at)
            early += line["at"] - closed_at > HEARSAY_SECONDS
        elif "retry_after" in line:
            closed_at, until = line["at"], line["at"] + CLOSED_SECONDS
    return latest, early
