"""Stage 2 of the pipeline: when a campaign's mails are due.

A start is a date and a time of day on somebody's clock: the workspace's, or each customer's own; with
best hours it begins the day in which each customer's own hour comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from audience import clock, sql
from audience.models import Customer
from campaigns.models import Campaign

# The earliest clock on earth (Pacific/Kiritimati): on customers' own clocks nobody is due before it.
EARLIEST_OFFSET = timedelta(hours=14)


def start_on_clock(campaign: Campaign) -> datetime | None:
    """The start as a clock on the wall shows it, without a zone; None: at once."""
    if campaign.start_date is None:
        return None
    return datetime.combine(campaign.start_date, campaign.start_time or time())


def moment_in(zone: ZoneInfo, on_clock: datetime) -> datetime:
    """The UTC moment at which clocks in `zone` show `on_clock`.

    A time that occurs twice (clocks go back) is its first occurrence; one that does not exist
    (clocks go forward) is as much later as the clocks jump.
    """
    return on_clock.replace(tzinfo=zone, fold=0).astimezone(UTC)


def first_due(campaign: Campaign) -> datetime | None:
    """The earliest moment at which any mail of the campaign may be due; None: at once."""
    on_clock = start_on_clock(campaign)
    if on_clock is None:
        return None
    if campaign.clock == Campaign.Clock.WORKSPACE:
        return moment_in(campaign.workspace.zone, on_clock)
    return on_clock.replace(tzinfo=UTC) - EARLIEST_OFFSET


def soonest_start(campaign: Campaign, now: datetime) -> datetime:
    """The earliest full hour on the campaign's clock that is not over anywhere where it counts."""
    if campaign.clock == Campaign.Clock.WORKSPACE:
        on_clock = now.astimezone(campaign.workspace.zone).replace(tzinfo=None)
    else:
        on_clock = now.astimezone(UTC).replace(tzinfo=None) + EARLIEST_OFFSET
    return on_clock.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def moment_of_best_hour(zone: ZoneInfo, start: datetime, hour: int) -> datetime:
    """The UTC moment at which clocks in `zone` show this hour, at `start` on them or within a day of it."""
    on_clock = start.replace(hour=hour, minute=0, second=0, microsecond=0)
    return moment_in(zone, on_clock if on_clock >= start else on_clock + timedelta(days=1))


@dataclass(frozen=True)
class Due:
    """SQL for the moment that somebody is due, the parameters in it, and what it needs to be joined."""

    at: str
    params: list[Any] = field(default_factory=list)
    join: str = ""
    join_params: list[Any] = field(default_factory=list)


def due_sql(campaign: Campaign, matched: QuerySet[Customer], at_once: Due) -> Due:
    """The moment of the start for each customer of `matched`, by the clock that the campaign goes by.

    It reads the columns time_zone and best_hour; `at_once` is for a campaign without a start. One query.
    """
    start, on_clock = first_due(campaign), start_on_clock(campaign)
    if campaign.clock == Campaign.Clock.BEST:
        return _due_at_best_hours(campaign, _zones(matched))
    if start is None or on_clock is None:
        return at_once
    if campaign.clock == Campaign.Clock.WORKSPACE:
        return Due("%s", [sql.moment(start)])
    return by_zone(_zones(matched), campaign.workspace.zone, lambda zone: moment_in(zone, on_clock))


def _due_at_best_hours(campaign: Campaign, zones: Iterable[str]) -> Due:
    """Each customer's own best hour, the first at the start or after it; without a date, after activation."""
    usual = campaign.workspace.best_hour
    clocks = {zone: ZoneInfo(zone) for zone in zones} | {"": campaign.workspace.zone}
    moments = [
        {"zone": zone, "hour": hour, "due_at": _best_moment(campaign, clock, hour)}
        for zone, clock in clocks.items()
        for hour in range(24)
    ]
    table = sql.table({"zone": "text", "hour": "integer", "due_at": "timestamptz"})
    # Nobody is left out whose zone has changed since the zones were read.
    otherwise = _best_moment(campaign, campaign.workspace.zone, usual)
    join = f"LEFT JOIN {table} best ON best.zone = time_zone AND best.hour = COALESCE(best_hour, {usual:d})"
    return Due("COALESCE(best.due_at, %s)", [otherwise], join, [sql.rows(moments)])


def _best_moment(campaign: Campaign, zone: ZoneInfo, hour: int) -> Any:
    start = start_on_clock(campaign)
    if start is None:
        start = (campaign.activated_at or clock.now()).astimezone(zone).replace(tzinfo=None)
    return sql.moment(moment_of_best_hour(zone, start, hour))


def _zones(matched: QuerySet[Customer]) -> list[str]:
    """The time zones that these customers are known to live in."""
    zones = matched.exclude(time_zone="").order_by().values_list("time_zone", flat=True)
    return list(zones.distinct())


def by_zone(names: Iterable[str], otherwise: ZoneInfo, at: Callable[[ZoneInfo], datetime]) -> Due:
    """SQL for a moment that depends on the column time_zone, which is one of `names` or empty."""
    cases, params = "", []
    for name in names:
        cases += " WHEN %s THEN %s"
        params += [name, sql.moment(at(ZoneInfo(name)))]
    params.append(sql.moment(at(otherwise)))
    return Due(f"CASE time_zone{cases} ELSE %s END" if cases else "%s", params)


def is_scheduled(campaign: Campaign, now: datetime) -> bool:
    """Whether the campaign is active and its start lies ahead of `now`."""
    start = first_due(campaign)
    return campaign.status == Campaign.Status.ACTIVE and start is not None and start > now


def due_campaigns(now: datetime) -> list[Campaign]:
    """Active campaigns whose time has come, longest active first."""
    active = Campaign.objects.active().select_related("workspace", "segment", "content", "flow", "automation")
    return [campaign for campaign in active.order_by("activated_at", "id") if not is_scheduled(campaign, now)]
