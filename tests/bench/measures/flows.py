"""Flows: a million people due at once, moved on by two processes from one wait to the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.world import World
from tests.chaos.processes import memory

if TYPE_CHECKING:
    from campaigns.models import Campaign

PEOPLE = 1_000_000
PROCESSES = 2
PER_SECOND = 20_000
MOST_MB = 150
ORDERS = {"all": [{"field": "attributes.orders", "operator": "greater", "value": 3}]}
# From the first wait through a condition and a split to one of two waits by the customer's clock.
STEPS = [
    {"key": 1, "kind": "wait", "for": {"days": 3}},
    {"key": 2, "kind": "condition", "criteria": ORDERS, "yes": [], "no": [
        {"key": 3, "kind": "wait", "for": {"days": 7, "at": "18:00"}},
    ]},
    {"key": 4, "kind": "split", "branches": [
        {"name": "A", "weight": 1, "steps": []},
        {"name": "B", "weight": 1, "steps": [{"key": 5, "kind": "wait", "for": {"days": 1, "at": "09:00"}}]},
    ]},
    {"key": 6, "kind": "wait", "for": {"days": 2, "at": "09:00"}},
    {"key": 7, "kind": "exit"},
]  # fmt: skip


def measure(world: World) -> Iterator[Line]:
    people.customers(world.scaled(PEOPLE), zones=people.ZONES)
    entering, moving, peaks = [], [], [0]
    for _ in range(world.runs):
        people.run("TRUNCATE campaigns_enrollment")
        campaign, now = begun(world)
        begun_at = time.perf_counter()
        enter(campaign, now)
        entering.append(world.scaled(PEOPLE) / (time.perf_counter() - begun_at))
        people.run("VACUUM ANALYZE campaigns_enrollment")
        people.run("CHECKPOINT")
        seconds, megabytes = move(world, campaign, now + timedelta(days=3))
        moving.append(world.scaled(PEOPLE) / seconds)
        peaks.append(megabytes)
        verify(world, campaign)
    yield line(
        "flows",
        moving,
        "people/s",
        people=world.scaled(PEOPLE),
        processes=PROCESSES,
        entering=[round(rate) for rate in entering],
        peak_mb=max(peaks),
        target=PER_SECOND,
        target_mb=MOST_MB,
        passed=median(moving) >= PER_SECOND and max(peaks) <= MOST_MB,
    )


def begun(world: World) -> tuple[Campaign, datetime]:
    """An active campaign of everybody on the flow, that nobody has begun."""
    from django.utils import timezone

    from campaigns import lifecycle
    from campaigns.flows import publishing
    from campaigns.models import Flow

    campaign = world.campaign(world.sender(25))
    flow = Flow.objects.create(workspace=campaign.workspace, name=f"Flow {campaign.pk}", steps=STEPS)
    publishing.publish(flow)
    campaign.flow, campaign.template = flow, None
    campaign.save(update_fields=["flow", "template"])
    lifecycle.activate(campaign)
    return campaign, timezone.now()


def enter(campaign: Campaign, now: datetime) -> None:
    """Let everybody begin, up to the first wait, in this process."""
    from campaigns.flows.advance import advance
    from campaigns.flows.starts import enter as enter_page

    while enter_page(campaign, now):
        pass
    while advance(campaign, now):
        pass


def move(world: World, campaign: Campaign, now: datetime) -> tuple[float, int]:
    """Let the processes move everybody on; seconds, and the most memory of one, in MB."""
    begun_at = time.perf_counter()
    arguments = ("-m", "tests.bench.advancing", str(campaign.pk), now.isoformat())
    workers = [world.start(*arguments) for _ in range(PROCESSES)]
    peak = 0
    while not all(worker.has_ended() for worker in workers):
        peak = max([peak, *(memory(worker.pid) for worker in workers if not worker.has_ended())])
        time.sleep(0.1)
    return time.perf_counter() - begun_at, peak


def verify(world: World, campaign: Campaign) -> None:
    """Everybody was moved once, and stands at a wait behind the first."""
    from campaigns.models import Enrollment, StepSum

    mine = Enrollment.objects.filter(campaign=campaign, state="waiting", fence=2)
    assert mine.filter(step__in=[3, 5, 6]).count() == world.scaled(PEOPLE), world.logs()
    assert StepSum.objects.get(campaign=campaign, step=1).passed == world.scaled(PEOPLE)
