"""What happens when everybody acts at once: many workers and beats, impatient staff, people leaving."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import requests

from tests.chaos import faults, pages, people, watch
from tests.chaos.oracle import Outcome
from tests.chaos.world import World

if TYPE_CHECKING:
    from campaigns.models import Campaign
    from delivery.tokens import Reference

WORKERS, BEATS = 8, 3
# Seconds between two triple clicks; every fourth pause is longer than a worker may need to see it.
CLICK_EVERY, LONG_PAUSE = 2.0, 8.0


def clicks(world: World, outcome: Outcome) -> None:
    """Eight workers, three beats, and triple clicks on activate, and on pause and resume in turn."""
    campaign = people.filled(world)
    pages.make_user()
    world.hang_up()
    world.sink.set(pace=world.dose.recipients / (world.dose.clicking + 10))
    world.site()
    visitor = pages.Visitor(world)
    for _ in range(BEATS):
        world.beat()
    for _ in range(WORKERS):
        world.worker(concurrency=1)
    visitor.click_thrice(f"/campaigns/{campaign.pk}/send/", as_of=campaign.updated_at.isoformat())
    world.wait_for_mails(1, 90)
    outcome.faults = 3 + _pause_and_resume(visitor, campaign, world.dose.clicking)
    outcome.recovered_s = world.resumes()
    world.sink.set(pace=0)
    world.drain()
    activations = "SELECT count(*) FROM campaigns_campaigntransition WHERE action = 'activate'"
    outcome.counted(
        activated_again=world.books.one(activations) - 1, sent_while_paused=watch.sent_while_paused(world)
    )
    outcome.must(not visitor.failures, f"pages failed: {visitor.failures[:5]}")


def _pause_and_resume(visitor: pages.Visitor, campaign: Campaign, seconds: float) -> int:
    """Click until the time is over; how many clicks. The last one is on resume."""
    steering = f"/campaigns/{campaign.pk}/steer"
    end, clicks = time.monotonic() + seconds, 0
    while time.monotonic() < end or clicks == 0:
        visitor.click_thrice(f"{steering}/pause/")
        time.sleep(LONG_PAUSE if clicks % 24 == 0 else CLICK_EVERY)
        visitor.click_thrice(f"{steering}/resume/")
        time.sleep(CLICK_EVERY)
        clicks += 6
    return clicks


def leaving(world: World, outcome: Outcome) -> None:
    """A fifth of the recipients unsubscribe or complain while the campaign is on its way to them."""
    campaign = people.filled(world)
    watch.install(world)
    faults.keep_pace(world, 0)
    world.site()
    world.send(campaign)
    leavers = people.some(world, world.dose.suppressions)
    waiting, doors = deque(leavers), (_unsubscribe, _complain) * 2
    with ThreadPoolExecutor(len(doors)) as people_at_once:
        left = [people_at_once.submit(door, waiting) for door in doors]
        while not all(door.done() for door in left):
            faults.keep_pace(world, 1 - len(waiting) / len(leavers))
            time.sleep(0.1)
    for door in left:
        door.result()
    outcome.faults = len(leavers)
    outcome.recovered_s = world.resumes()
    world.sink.set(pace=0)
    world.drain()
    watch.judge(world, outcome)


def _unsubscribe(leavers: deque[Reference]) -> None:
    """One click in each mail program (RFC 8058), at the site's own address."""
    from delivery import message, tokens

    with requests.Session() as programs:
        for leaver in _taken(leavers):
            link = message.unsubscribe_link(tokens.make(leaver))
            programs.post(link, {"List-Unsubscribe": "One-Click"}, timeout=30).raise_for_status()


def _complain(leavers: deque[Reference]) -> None:
    """Complaints, as a provider's webhook hands them in."""
    from django.db import connection

    from delivery import feedback
    from delivery.models import Event

    for leaver in _taken(leavers):
        feedback.report(leaver, Event.Type.COMPLAINED)
    connection.close()


def _taken(leavers: deque[Reference]) -> Iterator[Reference]:
    """One after the other, until another thread has taken the last."""
    with suppress(IndexError):
        while True:
            yield leavers.popleft()
