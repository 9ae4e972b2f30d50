"""Stage 2 of the pipeline: when a campaign's mails are due.

A start is a date and a time of day on somebody's clock: the workspace's, or each customer's own; with
best hours it begins the day in which each customer's own hour comes.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

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


def is_scheduled(campaign: Campaign, now: datetime) -> bool:
    """Whether the campaign is active and its start lies ahead of `now`."""
    start = first_due(campaign)
    return campaign.status == Campaign.Status.ACTIVE and start is not None and start > now


def due_campaigns(now: datetime) -> list[Campaign]:
    """Active campaigns whose time has come, longest active first."""
    active = Campaign.objects.active().select_related("workspace", "segment", "content")
    return [campaign for campaign in active.order_by("activated_at", "id") if not is_scheduled(campaign, now)]
