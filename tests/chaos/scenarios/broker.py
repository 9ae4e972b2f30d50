"""What happens to Redis: killed with everything in it, away, frozen. It costs time and never a mail."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.chaos import pages, people
from tests.chaos.oracle import Outcome
from tests.chaos.world import World

if TYPE_CHECKING:
    from campaigns.models import Campaign
    from delivery.tokens import Reference

# Seconds between two visits of somebody who steers the campaign meanwhile.
VISIT_EVERY = 4


def killed(world: World, outcome: Outcome) -> None:
    """Redis is killed and comes back empty, several times, and then stays away for two minutes."""
    steer, visitor = _set_off(world, seconds=world.dose.redis_away + 80)
    for _ in range(world.dose.restarts):
        time.sleep(world.random.uniform(2, 6))
        world.redis.kill()
        world.redis.start()
        outcome.faults += 1
    time.sleep(world.random.uniform(2, 6))
    world.redis.kill()
    outcome.faults += 1
    with pages.going_on(steer, VISIT_EVERY):
        time.sleep(world.dose.redis_away)
    world.redis.start()
    _end(world, outcome, visitor)


def frozen(world: World, outcome: Outcome) -> None:
    """Redis stays connected and says nothing for more than a minute."""
    steer, visitor = _set_off(world, seconds=world.dose.redis_frozen + 60)
    time.sleep(world.random.uniform(2, 6))
    world.redis.freeze()
    outcome.faults += 1
    with pages.going_on(steer, VISIT_EVERY):
        time.sleep(world.dose.redis_frozen)
    world.redis.thaw()
    _end(world, outcome, visitor)


def _set_off(world: World, seconds: float) -> tuple[Callable[[], None], pages.Visitor]:
    """A campaign on its way that would take so long; what somebody does meanwhile, and who that is.

    Its sender has a limit, far away, so that Redis is asked before each mail leaves.
    """
    from campaigns.models import SenderLimit

    people.customers(world)
    sender = people.sender(world)
    SenderLimit.objects.create(sender=sender, mails=1_000_000, period=SenderLimit.Period.HOUR)
    campaign = people.campaign(world, senders=[sender])
    pages.make_user()
    world.sink.set(pace=world.dose.recipients / seconds)
    world.site()
    visitor = pages.Visitor(world)
    world.send(campaign)
    leavers = iter(people.some(world, 100))
    return lambda: _steer(visitor, campaign, next(leavers)), visitor


def _steer(visitor: pages.Visitor, campaign: Campaign, leaver: Reference) -> None:
    """What a person does who wonders why nothing moves; meanwhile, somebody unsubscribes."""
    from delivery import tokens

    steering = f"/campaigns/{campaign.pk}/steer"
    visitor.get(f"/campaigns/{campaign.pk}/")
    visitor.get(f"/campaigns/{campaign.pk}/progress/")
    visitor.post(f"{steering}/pause/", reason="Is it stuck?")
    visitor.post(f"{steering}/resume/")
    visitor.post(f"/u/{tokens.make(leaver)}", **{"List-Unsubscribe": "One-Click"})


def _end(world: World, outcome: Outcome, visitor: pages.Visitor) -> None:
    outcome.recovered_s = world.resumes()
    world.sink.set(pace=0)
    world.drain()
    outcome.found |= {"visits": visitor.visits, "slowest_page_s": round(visitor.slowest, 1)}
    outcome.must(not visitor.failures, f"pages failed: {visitor.failures[:5]}")
