"""Flows: stage 2 of the pipeline for people on their way. Whoever is due is moved on, thousands at a time.

Each batch is one transaction that locks its people and passes over those whom another worker has: a
worker that dies has changed nothing, and two at once move nobody twice.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from audience import sql
from campaigns.flows import conditions, people, publishing, times
from campaigns.flows.people import Party
from campaigns.flows.steps import WaitFor
from campaigns.flows.walk import Walk
from campaigns.models import Campaign, Enrollment, FlowRun, FlowVersion

# People moved on in one transaction.
BATCH = 10_000
# Seconds between two looks whether what people wait for has happened, and the most of all time that
# looking may take.
WATCH_EVERY = 15.0
MOST_WATCHING = 0.05


def advance(campaign: Campaign, now: datetime, limit: int = BATCH) -> int:
    """Move on a batch of the people whose time has come; how many there were.

    Guards, under the locks, that the campaign is active and each person stands where they were found.
    Commits by itself; may be repeated, and called by any number of workers at once: 0 when nobody is due,
    or others have them in hand. Raises InvalidCriteria when a condition cannot be asked any more, and
    then moves nobody.
    """
    return sum(
        _move(campaign, now, *people.due(campaign, state, now), limit, Walk.go)
        for state in (people.State.ARRIVING, people.State.WAITING)
    )


def watch(campaign: Campaign, now: datetime) -> int:
    """Move on people for whom that has happened which they wait for; how many.

    Looks again after 15 seconds, or twenty times as long as the last look took. As `advance` in all else.
    """
    if not _may_watch(campaign, now):
        return 0
    begun, total = time.monotonic(), 0
    for version in _versions(campaign):
        for step in publishing.program(version).of_kind(WaitFor):
            while moved := _watch_step(campaign, version, step.key, step.what, now):
                total += moved
    FlowRun.objects.filter(pk=campaign.pk).update(watch_seconds=time.monotonic() - begun)
    return total


def _move(
    campaign: Campaign,
    now: datetime,
    where: str,
    params: Sequence[Any],
    limit: int,
    go: Callable[[Walk, Iterable[Party]], None],
) -> int:
    with transaction.atomic():
        found = people.take(where, params, campaign.workspace.zone, limit)
        if not found:
            return 0
        run = FlowRun.objects.get(pk=campaign.pk)
        passed, left = Counter[int](), Counter[int]()
        ends: list[Party] = []
        for version, some in _by_version(found).items():
            walk = Walk(campaign, publishing.program(version), now, run.skip_before)
            for party in some:
                party.base = times.base(party.was_due, now)
            go(walk, some)
            passed += walk.passed
            left += walk.left
            ends += walk.ends
        people.write(ends)
        people.count(campaign.pk, passed, left)
    return sum(map(len, found))


def _by_version(found: Iterable[Party]) -> dict[FlowVersion, list[Party]]:
    groups: dict[int, list[Party]] = defaultdict(list)
    for party in found:
        groups[party.version].append(party)
    versions = FlowVersion.objects.in_bulk(groups)
    return {versions[pk]: some for pk, some in groups.items()}


def _versions(campaign: Campaign) -> list[FlowVersion]:
    """The versions that anybody of the campaign may be on."""
    waiting = Enrollment.objects.filter(campaign=campaign, state=Enrollment.State.WAITING)
    return [
        version
        for version in FlowVersion.objects.filter(flow=campaign.flow_id)
        if any(True for _ in publishing.program(version).of_kind(WaitFor))
        and waiting.filter(version=version).exists()
    ]


def _watch_step(campaign: Campaign, version: FlowVersion, step: int, wait: WaitFor, now: datetime) -> int:
    """A batch of those at one step; found by criteria, then locked, then asked once more."""
    waiting = Enrollment.objects.filter(
        campaign=campaign, state=Enrollment.State.WAITING, version=version, step=step
    )
    met = conditions.compile_criteria(campaign.workspace, wait.criteria, now)
    ids = list(waiting.filter(met).order_by().values_list("pk", flat=True)[:BATCH])
    if not ids:
        return 0
    where = f"e.id IN ({sql.ids()}) AND e.state = 'waiting' AND e.step = %s AND {people.IS_ACTIVE}"
    params = [str(ids), step, campaign.pk]

    def go(walk: Walk, found: Iterable[Party]) -> None:
        parties = list(found)
        for party in parties:
            party.base = now
        walk.happened(parties)

    return _move(campaign, now, where, params, BATCH, go)


def _may_watch(campaign: Campaign, now: datetime) -> bool:
    """Take the look for this worker, if it is time for one."""
    run = FlowRun.objects.filter(pk=campaign.pk).first()
    if run is None:
        return False
    pause = timedelta(seconds=max(WATCH_EVERY, run.watch_seconds / MOST_WATCHING))
    if run.watched_at is not None and run.watched_at > now - pause:
        return False
    taken = FlowRun.objects.filter(pk=campaign.pk, watched_at=run.watched_at).update(watched_at=now)
    return bool(taken)
