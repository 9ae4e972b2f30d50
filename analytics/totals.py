"""The one place that totals come from: every report, panel and export reads them here.

Reads what is counted (analytics.models), never the ledger or the events, so that the time a page takes
does not grow with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from django.db.models import Min, QuerySet, Sum

from analytics.models import GoalSum, LedgerHour, LedgerSum, ReactionHour, ReactionSum
from delivery.models import Event

Type = Event.Type
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Scope:
    """What is asked about: campaigns, one step of their flow or all, and people or everything."""

    campaigns: Collection[int]
    step: int | None = None
    people: bool = True

    def of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        found = rows.filter(campaign__in=self.campaigns)
        return found if self.step is None else found.filter(step=self.step)


@dataclass
class Totals:
    """How many mails are where, and what came of them. Everything but opens and clicks counts mails once."""

    waiting: int = 0
    sent: int = 0
    failed: int = 0
    suppressed: int = 0
    cancelled: int = 0
    unknown: int = 0
    bounced: int = 0
    opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0
    complained: int = 0
    # However often by the same person.
    opens: int = 0
    clicks: int = 0
    # The campaign's goal (analytics.models.Goal): mails, events and the sum of a property, in thousandths.
    goal_clicked: int = 0
    goal_clicked_events: int = 0
    goal_clicked_value: int = 0
    goal_sent: int = 0
    goal_sent_events: int = 0
    goal_sent_value: int = 0

    @property
    def audience(self) -> int:
        """Everybody who matched: each has a ledger row, whatever became of it."""
        return self.waiting + self.sent + self.failed + self.suppressed + self.cancelled + self.unknown

    @property
    def delivered(self) -> int:
        """Accepted, and not returned. Few mail servers report more than that."""
        return max(self.sent - self.bounced, 0)

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Totals)))


@dataclass(frozen=True)
class Hour:
    """What happened in one hour: mails sent, and mails opened and clicked for the first time."""

    at: datetime
    sent: int = 0
    opened: int = 0
    clicked: int = 0


@dataclass(frozen=True)
class LinkTotals:
    """How many clicked a link of the mail, and how often."""

    link: int
    mails: int
    events: int


@dataclass(frozen=True)
class Reason:
    """How many mails were not delivered for one reason. `kind` is a status of the ledger, or "bounced"."""

    kind: str
    reason: str
    code: str
    mails: int
    # The first block of the ledger that holds such mails; a bounce is not looked up there.
    block: int = 0


def of(scope: Scope) -> Totals:
    """The totals of all that is asked about."""
    return sum(by("campaign", scope).values(), Totals())


def by(column: str, scope: Scope) -> dict[Any, Totals]:
    """The totals by campaign, step, sender_id or mailbox_provider.

    By sender and provider mails that wait are left out: both may still change.
    """
    found: dict[Any, Totals] = {}
    ledger = scope.of(LedgerSum.objects.all())
    if column in ("sender_id", "mailbox_provider"):
        ledger = ledger.exclude(status="waiting")
    for key, status, mails in ledger.values_list(column, "status").annotate(n=Sum("mails")).order_by(column):
        setattr(found.setdefault(key, Totals()), status, mails)
    reactions = scope.of(ReactionSum.objects.filter(link=0, people=scope.people))
    sums = reactions.values_list(column, "type").annotate(m=Sum("mails"), e=Sum("events"))
    for key, type_, mails, events in sums.order_by(column):
        totals = found.setdefault(key, Totals())
        setattr(totals, type_, mails)
        if type_ in (Type.OPENED, Type.CLICKED):
            setattr(totals, "opens" if type_ == Type.OPENED else "clicks", events)
    if column in ("campaign", "step"):
        _add_goals(column, scope, found)
    return found


def _add_goals(column: str, scope: Scope, found: dict[Any, Totals]) -> None:
    sums = scope.of(GoalSum.objects.all()).values_list(column, "clicked")
    for key, clicked, *counted in sums.annotate(m=Sum("mails"), e=Sum("events"), v=Sum("value")).order_by(
        column
    ):
        name = "goal_clicked" if clicked else "goal_sent"
        for suffix, number in zip(("", "_events", "_value"), counted, strict=True):
            setattr(found.setdefault(key, Totals()), name + suffix, number)


def steps(campaign_id: int) -> list[int]:
    """The steps of a campaign that have mails."""
    rows = LedgerSum.objects.filter(campaign=campaign_id)
    return list(rows.order_by("step").values_list("step", flat=True).distinct())


def hours(scope: Scope) -> list[Hour]:
    """Hour by hour, the hours without anything left out; their sums are the totals."""
    sent = _by_hour(scope.of(LedgerHour.objects.all()))
    reactions = scope.of(ReactionHour.objects.filter(people=scope.people))
    opened = _by_hour(reactions.filter(type=Type.OPENED))
    clicked = _by_hour(reactions.filter(type=Type.CLICKED))
    return [
        Hour(
            datetime.fromtimestamp(hour * SECONDS_PER_HOUR, UTC),
            sent.get(hour, 0),
            opened.get(hour, 0),
            clicked.get(hour, 0),
        )
        for hour in sorted(sent.keys() | opened.keys() | clicked.keys())
    ]


def links(scope: Scope) -> dict[int, LinkTotals]:
    """The clicks by the number of the link."""
    rows = scope.of(ReactionSum.objects.filter(type=Type.CLICKED, link__gt=0, people=scope.people))
    sums = rows.values_list("link").annotate(m=Sum("mails"), e=Sum("events")).filter(m__gt=0).order_by("link")
    return {link: LinkTotals(link, mails, events) for link, mails, events in sums}


def reasons(scope: Scope) -> list[Reason]:
    """Why mails were not delivered, the most frequent reason first."""
    ledger = scope.of(LedgerSum.objects.exclude(status__in=("waiting", "sent")))
    failures = (
        ledger.values_list("status", "reason", "code").annotate(n=Sum("mails"), first=Min("block")).order_by()
    )
    bounced = scope.of(ReactionSum.objects.filter(type=Type.BOUNCED, link=0, people=False))
    bounces = bounced.values_list("code").annotate(n=Sum("mails")).filter(n__gt=0).order_by()
    found = [Reason(*row) for row in failures] + [Reason("bounced", "", *row) for row in bounces]
    return sorted(found, key=lambda reason: (-reason.mails, reason.kind, reason.reason, reason.code))


def first_sent(campaign_ids: Iterable[int]) -> dict[int, datetime]:
    """When the first mail of each campaign went out; campaigns without any are left out."""
    rows = LedgerHour.objects.filter(campaign__in=list(campaign_ids)).values_list("campaign")
    found = rows.annotate(first=Min("hour")).order_by()
    return {pk: datetime.fromtimestamp(hour * SECONDS_PER_HOUR, UTC) for pk, hour in found}


def blocks_with(scope: Scope, statuses: Collection[str], **columns: Any) -> list[tuple[int, int]]:
    """Which blocks of the ledger hold mails in these states, and how many each; the lowest block first."""
    rows = scope.of(LedgerSum.objects.filter(status__in=statuses, **columns))
    return list(rows.values_list("block").annotate(n=Sum("mails")).order_by("block"))


def _by_hour(rows: QuerySet[Any]) -> dict[int, int]:
    sums = rows.values_list("hour").annotate(n=Sum("mails")).filter(n__gt=0).order_by()
    return dict(sums)
