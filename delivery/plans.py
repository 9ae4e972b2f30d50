"""A simulated plan in words, rows and a chart: which mail leaves when, and who goes where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from audience.models import Customer
from delivery.models import SendLog
from delivery.simulator import Plan, PlannedMail

TONES = ("primary", "good", "warn", "info", "quiet", "bad")
# A chart draws no more days than this; the table has all.
DRAWN_DAYS = 120
Names = Mapping[int, str]


@dataclass(frozen=True)
class Line:
    """One mail of the plan, as a sentence."""

    words: str
    is_sent: bool


@dataclass(frozen=True)
class Day:
    """The mails of one day, by step in the order of the plan's steps."""

    day: date
    counts: list[int]

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Table:
    steps: list[str]
    days: list[Day]


@dataclass(frozen=True)
class Chart:
    """What the site's charts are drawn from."""

    as_data: dict[str, Any]
    summary: str


def sentence(mail: PlannedMail, names: Names, customer: Customer, zone: ZoneInfo) -> Line:
    """Which mail goes to whom when, by their own clock; or why it does not."""
    plain = f"Step {mail.step}"
    name = plain if names.get(mail.step, plain) == plain else f"“{names[mail.step]}”"
    whom = (customer.name or customer.email).split(" ")[0]
    if mail.at is None:
        return Line(f"{name} does not go to {whom}: {_reason(mail.reason)}", is_sent=False)
    at = mail.at.astimezone(zone)
    place = zone.key.rpartition("/")[2].replace("_", " ")
    return Line(
        f"{name} goes to {whom} on {at:%a} {at.day} {at:%B %Y}, {at:%H:%M}, {place} time", is_sent=True
    )


def by_day(plan: Plan, names: Names, zone: ZoneInfo) -> Table:
    """The mails of each day, with a column for each step that sends any."""
    counts = _counts(plan, zone)
    steps = _steps(plan)
    days = sorted({day for day, _ in counts})
    rows = [Day(day, [counts[day, step] for step in steps]) for day in days]
    return Table([names.get(step, f"Step {step}") for step in steps], rows)


def chart(plan: Plan, names: Names, zone: ZoneInfo) -> Chart:
    """Mails by day, the steps on top of each other; days without any in between are drawn too."""
    counts, steps = _counts(plan, zone), _steps(plan)
    found = sorted({day for day, _ in counts})
    length = (found[-1] - found[0]).days + 1 if found else 0
    days = [found[0] + timedelta(days=n) for n in range(min(length, DRAWN_DAYS))]
    series = [
        {
            "label": names.get(step, f"Step {step}"),
            "values": [counts[day, step] for day in days],
            "tone": TONES[place % len(TONES)],
            "kind": "bar",
            "dashed": False,
        }
        for place, step in enumerate(steps)
    ]
    labels = [f"{day.day} {day:%b}" for day in days]
    data = {"labels": labels, "format": "number", "stacked": True, "series": series}
    return Chart(data, "How many mails would leave on each day, by step.")


def unsent(plan: Plan, names: Names) -> list[tuple[str, str, int]]:
    """Mails that would not leave: the step, why, and how many."""
    counts = Counter((mail.step, mail.reason) for mail in plan.mails if mail.at is None)
    return [
        (names.get(step, f"Step {step}"), _reason(reason), count)
        for (step, reason), count in counts.most_common()
    ]


def where(plan: Plan, names: Names) -> list[tuple[str, int]]:
    """How many people came to each step, by what was decided for them."""
    passed = Counter(
        step for enrollment in plan.enrollments for step in {item["step"] for item in enrollment.path}
    )
    return [(name, passed[step]) for step, name in names.items()]


def _counts(plan: Plan, zone: ZoneInfo) -> Counter[tuple[date, int]]:
    return Counter((mail.at.astimezone(zone).date(), mail.step) for mail in plan.mails if mail.at is not None)


def _steps(plan: Plan) -> list[int]:
    return sorted({mail.step for mail in plan.mails if mail.at is not None})


def _reason(reason: str) -> str:
    return str(SendLog.Reason(reason).label) if reason else "it is still waiting"
