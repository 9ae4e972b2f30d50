"""The people behind a number, a page at a time: whoever the number counts, with the mail they got."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from analytics import totals
from analytics.dialect import codes
from analytics.models import BLOCK, THOUSANDTHS, WAITING, Goal, Reaction
from analytics.totals import Scope
from delivery.models import Event, SendLog

Status = SendLog.Status
PAGE = 50
# Lines read in one go for an export.
PORTION = 2_000
# Each number that has people behind it, in words.
LEDGER = {
    "audience": _("Audience"),
    WAITING: _("Waiting"),
    "sent": _("Sent"),
    "delivered": _("Delivered"),
    "failed": _("Failed"),
    "suppressed": _("Not sent"),
    "unknown": _("Unknown"),
    "cancelled": _("Cancelled"),
}
REACTIONS = {
    "opened": _("Opened"),
    "clicked": _("Clicked"),
    "bounced": _("Bounced"),
    "complained": _("Complained"),
    "unsubscribed": _("Unsubscribed"),
}
GOALS = {"goal_clicked": _("Goal after a click"), "goal_sent": _("Goal after the mail")}
NUMBERS = LEDGER | REACTIONS | GOALS


@dataclass(frozen=True)
class Question:
    """Which number of which campaign; None of the rest: whatever it is."""

    campaign: int
    number: str
    step: int | None = None
    people: bool = True
    link: int = 0
    sender_id: int | None = None
    mailbox_provider: str | None = None
    reason: str | None = None
    code: str | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What the ledger and the reactions are both asked for by."""
        asked = {
            "step": self.step,
            "sender_id": self.sender_id,
            "mailbox_provider": self.mailbox_provider,
        }
        return {name: value for name, value in asked.items() if value is not None}


class Line(NamedTuple):
    """One person behind a number; `id` is the ledger row's, in whose order the lines come."""

    id: int
    email: str
    customer_id: int
    at: datetime | None
    # Why, in the provider's words where there are any.
    note: str
    times: int = 0


def behind(question: Question, after: int = 0, size: int = PAGE) -> list[Line]:
    """The next people after a ledger row, at most `size`; reads by index, however many there are."""
    if question.number in REACTIONS:
        return [_reacted(found, question) for found in reactions(question, after)[:size]]
    if question.number in GOALS:
        return [_reached(found) for found in _goals(question, after)[:size]]
    return list(_ledger_lines(question, after, size))


def everybody(question: Question) -> Iterator[Line]:
    """All of them, read in portions, for an export."""
    after = 0
    while lines := behind(question, after, PORTION):
        yield from lines
        after = lines[-1].id


# --- Of the reactions ----------------------------------------------------------------------------------


def reactions(question: Question, after: int = 0) -> QuerySet[Reaction]:
    """The reactions of a number after a ledger row."""
    rows = Reaction.objects.filter(
        campaign=question.campaign, type=question.number, link=question.link, sendlog_id__gt=after
    )
    rows = rows.filter(people_events__gt=0) if question.people else rows.filter(events__gt=0)
    if question.code is not None:
        rows = rows.filter(code=question.code)
    return rows.filter(**question.columns).select_related("sendlog").order_by("sendlog_id")


def _reacted(found: Reaction, question: Question) -> Line:
    at, times = (found.people_at, found.people_events) if question.people else (found.at, found.events)
    return Line(found.sendlog_id, found.sendlog.email, found.customer_id, at, found.code, times)


# --- Of the goals --------------------------------------------------------------------------------------


def _goals(question: Question, after: int) -> QuerySet[Goal]:
    rows = Goal.objects.filter(
        campaign=question.campaign, clicked=question.number == "goal_clicked", sendlog_id__gt=after
    )
    if question.step is not None:
        rows = rows.filter(step=question.step)
    return rows.select_related("sendlog").order_by("sendlog_id")


def _reached(found: Goal) -> Line:
    value = f"{found.value / THOUSANDTHS:,.2f}" if found.value else ""
    return Line(found.sendlog_id, found.sendlog.email, found.customer_id, found.at, value, found.events)


# --- Of the ledger -------------------------------------------------------------------------------------


def _ledger_lines(question: Question, after: int, size: int) -> Iterator[Line]:
    """Go through the blocks that hold such rows, some at a time, until there are enough."""
    missing = size
    for first, last in _runs(question, after, size):
        rows = in_blocks(question, first, last).filter(id__gt=after)
        for row in rows[:missing]:
            missing -= 1
            yield Line(row.pk, row.email, row.customer_id, row.sent_at, _why(row))
        if not missing:
            return


def in_blocks(question: Question, first: int, last: int) -> QuerySet[SendLog]:
    """The rows of a number of the ledger in these blocks of it."""
    return _ledger(question).filter(id__gte=first * BLOCK, id__lt=(last + 1) * BLOCK)


def _runs(question: Question, after: int, size: int) -> Iterator[tuple[int, int]]:
    """Runs of blocks that hold at least `size` such rows together, from the one of `after` on."""
    scope = Scope([question.campaign], question.step)
    columns = {name: value for name, value in _counted_columns(question).items() if name != "step"}
    first, held = None, 0
    for block, mails in totals.blocks_with(scope, _counted_statuses(question), **columns):
        if block < after // BLOCK:
            continue
        first = block if first is None else first
        held += mails
        # What the block of `after` holds may lie before it.
        if held >= size and block > after // BLOCK:
            yield first, block
            first, held = None, 0
    if first is not None:
        yield first, block


def _counted_statuses(question: Question) -> list[str]:
    """The statuses as LedgerSum has them."""
    if question.number == "audience":
        return [*Status.values, WAITING]
    return ["sent"] if question.number == "delivered" else [question.number]


def _counted_columns(question: Question) -> dict[str, Any]:
    why = {"reason": question.reason, "code": question.code}
    return question.columns | {name: value for name, value in why.items() if value is not None}


def _ledger(question: Question) -> QuerySet[SendLog]:
    statuses = _counted_statuses(question)
    statuses = [*SendLog.OPEN] if statuses == [WAITING] else statuses
    rows = SendLog.objects.filter(campaign=question.campaign, **question.columns).order_by("id")
    if question.number != "audience":
        rows = rows.filter(status__in=statuses)
    if question.number == "delivered":
        rows = rows.exclude(Exists(Reaction.objects.filter(sendlog=OuterRef("pk"), type=Event.Type.BOUNCED)))
    if question.reason is not None:
        rows = rows.filter(reason=question.reason)
    if question.code is not None:
        rows = rows.annotate(code=RawSQL(codes("delivery_sendlog.error"), [])).filter(code=question.code)  # noqa: S611
    return rows.only("email", "customer_id", "sent_at", "status", "reason", "error", "outcome")


def _why(row: SendLog) -> str:
    return ": ".join(filter(None, (row.get_reason_display(), row.error)))
