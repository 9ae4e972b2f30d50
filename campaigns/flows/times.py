"""Flows: when a wait ends. Pure functions of moments, clocks and zones.

Days, weeks and months are counted on the clock of the customer's zone, hours and minutes as they pass. A
time that occurs twice (clocks go back) is its first occurrence; one that does not exist (clocks go
forward) is as much later as the clocks jump, and a day that a zone has left out is the next one. The
31st, and 29 February, are the month's last day where they are missing.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.schedule import moment_in

DAY = timedelta(days=1)
# Somebody who is moved on no later than this after their time counts as moved on in time.
LATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Duration:
    """So long; with `at`, until that time of day on the day that it leads to."""

    months: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    at: time | None = None

    def end(self, base: datetime, zone: ZoneInfo) -> datetime:
        moment = base
        if self.months or self.days or self.at is not None:
            moment = self._on_the_clock(base, zone)
        return moment + timedelta(hours=self.hours, minutes=self.minutes)

    def _on_the_clock(self, base: datetime, zone: ZoneInfo) -> datetime:
        local = base.astimezone(zone)
        day = months_later(local.date(), self.months) + timedelta(days=self.days)
        if self.at is None:
            return max(moment_in(zone, datetime.combine(day, local.time())), base)
        return next_time(base, zone, self.at, day)

    @property
    def takes_time(self) -> bool:
        return bool(self.months or self.days or self.hours or self.minutes)


@dataclass(frozen=True, slots=True)
class UntilDate:
    """Until a time of day on a date; at once when that is over."""

    day: date
    at: time = time()

    def end(self, base: datetime, zone: ZoneInfo) -> datetime:
        return max(base, moment_in(zone, datetime.combine(self.day, self.at)))

    takes_time = False


@dataclass(frozen=True, slots=True)
class UntilTime:
    """Until the next time that a clock shows a time of day, on one of some weekdays (1: Monday).

    Without weekdays, on any.
    """

    at: time
    weekdays: frozenset[int] = frozenset()

    def end(self, base: datetime, zone: ZoneInfo) -> datetime:
        day = base.astimezone(zone).date()
        while True:
            if not self.weekdays or day.isoweekday() in self.weekdays:
                moment = moment_in(zone, datetime.combine(day, self.at))
                if moment >= base:
                    return moment
            day += DAY

    # Who arrives at that very minute need not wait.
    takes_time = False


Wait = Duration | UntilDate | UntilTime


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day until another, over midnight when the second is the earlier."""

    start: time
    until: time

    def hold(self, at: time) -> bool:
        if self.start < self.until:
            return self.start <= at < self.until
        return at >= self.start or at < self.until

    def end(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first moment from `moment` on that is not quiet in this zone."""
        while self.hold(moment.astimezone(zone).time()):
            local = moment.astimezone(zone)
            day = local.date() + (DAY if local.time() >= self.until else timedelta())
            ends = datetime.combine(day, self.until, zone)
            # The clocks went back over the end: it comes once more.
            later = [at for at in (ends, ends.replace(fold=1)) if at.astimezone(UTC) > moment]
            moment = later[0].astimezone(UTC) if later else moment + timedelta(minutes=1)
        return moment


def base(due: datetime, now: datetime) -> datetime:
    """The moment that the next wait counts from: when the step was due, unless that was missed by far.

    So a plan holds to the minute whatever the workers are doing, and after an outage nobody gets two mails
    on one day that should be three days apart.
    """
    return due if now - due <= LATE else now


def next_time(base: datetime, zone: ZoneInfo, at: time, first: date) -> datetime:
    """The first moment from `base` on at which clocks show `at`, on `first` or a later day."""
    while (moment := moment_in(zone, datetime.combine(first, at))) < base:
        first += DAY
    return moment


def months_later(day: date, months: int) -> date:
    """The same day so many months later, or the month's last where it has no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def anniversary(day: date, year: int) -> date:
    """The day in another year; that of 29 February is the 28th where there is no 29th."""
    return date(year, day.month, min(day.day, calendar.monthrange(year, day.month)[1]))
