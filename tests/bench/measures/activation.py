"""Activation: filling the ledger for a million, beside the bare statement that writes the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.world import World

CUSTOMERS = 1_000_000
MOST = 1.5
BARE = """
    INSERT INTO bare (workspace_id, campaign_id, step, customer_id, email, mailbox_provider, status,
        sender_id, due_at)
    SELECT workspace_id, 1, 1, id, email, 'other', 'queued', 1, now() FROM audience_customer
    WHERE workspace_id = %s AND subscribed
    ON CONFLICT (campaign_id, step, round, customer_id, enrollment_id) DO NOTHING
"""


def measure(world: World) -> Iterator[Line]:
    people.customers(world.scaled(CUSTOMERS))
    people.run("VACUUM audience_customer")
    people.run("CREATE TABLE bare (LIKE delivery_sendlog INCLUDING ALL)")
    sender = world.sender(25)
    fills, bares = [], []
    for _ in range(world.runs):
        people.run("TRUNCATE delivery_sendlog, bare")
        people.run("CHECKPOINT")
        bares.append(bare(world))
        people.run("CHECKPOINT")
        fills.append(fill(world, sender.pk))
    ratio = median(fills) / median(bares)
    yield line(
        "activation",
        fills,
        "s",
        against="bare INSERT ... SELECT",
        against_s=[round(seconds, 2) for seconds in bares],
        ratio=round(ratio, 2),
        rows=world.scaled(CUSTOMERS),
        target=MOST,
        passed=ratio <= MOST,
    )


def bare(world: World) -> float:
    workspace = world.workspace()
    begun = time.perf_counter()
    people.run(BARE, [workspace.pk])
    return time.perf_counter() - begun


def fill(world: World, sender: int) -> float:
    """Activate a campaign and fill its ledger as a worker does, page after page."""
    from campaigns import lifecycle
    from campaigns.models import Sender
    from delivery.fill import fill_page
    from delivery.models import Progress, SendLog

    campaign = world.campaign(Sender.objects.get(pk=sender))
    begun = time.perf_counter()
    lifecycle.activate(campaign)
    while fill_page(campaign):
        pass
    seconds = time.perf_counter() - begun
    matched = Progress.objects.get(pk=campaign.pk).matched
    assert matched == SendLog.objects.filter(campaign=campaign).count() == world.scaled(CUSTOMERS)
    lifecycle.cancel(campaign)
    return seconds
