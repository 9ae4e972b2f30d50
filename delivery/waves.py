"""Which parts of an audience a draft would reach when: its waves around the earth. Decides nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Count, QuerySet
from django.utils import timezone

from audience.models import Customer
from campaigns import schedule
from campaigns.models import Campaign


@dataclass(frozen=True)
class Wave:
    """People whose mails are due at the same moment, and where they live."""

    at: datetime
    people: int
    zones: list[str]


def waves(campaign: Campaign) -> list[Wave]:
    """The waves of a draft as its audience stands now, the earliest first; none when all start at once.

    By the same clocks as delivery.fill gives rows their moments. One query. Raises ValueError for an
    audience that cannot be evaluated.
    """
    if campaign.clock == Campaign.Clock.WORKSPACE:
        return []
    if campaign.clock == Campaign.Clock.CUSTOMER and campaign.start_date is None:
        return []
    found: dict[datetime, Counter[str]] = {}
    for zone, hour, count in (
        mailed_to(campaign).values_list("time_zone", "best_hour").annotate(n=Count("pk"))
    ):
        found.setdefault(_moment(campaign, zone, hour), Counter())[zone] += count
    return [
        Wave(
            at, sum(zones.values()), [zone or campaign.workspace.time_zone for zone, _ in zones.most_common()]
        )
        for at, zones in sorted(found.items())
    ]


def mailed_to(campaign: Campaign) -> QuerySet[Customer]:
    """The customers of a draft who opted in. Raises ValueError."""
    return campaign.matching().filter(subscribed=True, unmailable=False).order_by()


def _moment(campaign: Campaign, zone: str, hour: int | None) -> datetime:
    clock = ZoneInfo(zone) if zone else campaign.workspace.zone
    start = schedule.start_on_clock(campaign)
    if campaign.clock == Campaign.Clock.BEST:
        start = start or timezone.now().astimezone(clock).replace(tzinfo=None)
        best = campaign.workspace.best_hour if hour is None else hour
        return schedule.moment_of_best_hour(clock, start, best)
    if start is None:
        return timezone.now()
    return schedule.moment_in(clock, start)
