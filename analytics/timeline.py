"""Opens and clicks over time: hours or days on the page's clock, while there is something to see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from analytics.totals import Hour

# The share of all mails, opens and clicks that is shown; stragglers follow for months.
SHOWN = 0.98
# Up to so long, hours are shown; then days; then weeks.
HOURS, DAYS = timedelta(hours=72), timedelta(days=92)
# However fast everybody was, a day can be read.
LEAST = timedelta(hours=24)


@dataclass
class Bucket:
    """An hour, a day or a week, or all that came later."""

    label: str
    sent: int = 0
    opened: int = 0
    clicked: int = 0
    is_later: bool = False

    def add(self, hour: Hour) -> None:
        self.sent += hour.sent
        self.opened += hour.opened
        self.clicked += hour.clicked


def buckets(hours: Sequence[Hour]) -> list[Bucket]:
    """The hours in buckets without gaps, the last one for stragglers; their sums are those of the hours."""
    if not hours:
        return []
    first = min((hour.at for hour in hours if hour.sent), default=hours[0].at)
    sent = _reach(hours, lambda hour: hour.sent)
    reacted = _reach(hours, lambda hour: hour.opened + hour.clicked)
    end = max(sent or first, reacted or first, first + LEAST)
    length = end - first
    unit = "hour" if length <= HOURS else "day" if length <= DAYS else "week"
    found: dict[datetime, Bucket] = {}
    moment = first
    while moment < end:
        found[_start(moment, unit)] = Bucket(_label(moment, unit))
        moment += timedelta(hours=1 if unit == "hour" else 24)
    later = Bucket(gettext("Later"), is_later=True)
    # What clocks that go wrong call earlier than the first mail counts into the first bucket.
    earliest = next(iter(found.values()))
    for hour in hours:
        known = earliest if hour.at < first else later
        found.get(_start(hour.at, unit), known).add(hour)
    return [*found.values(), *([later] if later.sent or later.opened or later.clicked else [])]


def since_start(hours: Sequence[Hour], number: str, length: int) -> list[int]:
    """How many had done something by the end of each of the first `length` hours after the first mail."""
    first = min((hour.at for hour in hours if hour.sent), default=None)
    sums = [0] * length
    for hour in hours if first else []:
        place = max(int((hour.at - first).total_seconds() // 3600), 0)  # type: ignore[operator]
        if place < length:
            sums[place] += getattr(hour, number)
    for place in range(1, length):
        sums[place] += sums[place - 1]
    return sums


def _reach(hours: Sequence[Hour], number: Callable[[Hour], int]) -> datetime | None:
    """The end of the hour by which nearly all of it had happened; None when nothing has."""
    wanted, seen = SHOWN * sum(map(number, hours)), 0
    for hour in hours:
        seen += number(hour)
        if seen and seen >= wanted:
            return hour.at + timedelta(hours=1)
    return None


def _start(at: datetime, unit: str) -> datetime:
    """When the bucket of a moment begins, on the page's clock."""
    local = timezone.localtime(at)
    if unit == "hour":
        return at
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return day - timedelta(days=day.weekday()) if unit == "week" else day


def _label(at: datetime, unit: str) -> str:
    local = timezone.localtime(at)
    if unit == "hour":
        return date_format(local, "j M, H:i")
    start = _start(at, unit)
    return date_format(start, "j M Y" if unit == "week" else "j M")
