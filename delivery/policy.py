"""Stage 5 of the pipeline, beside refusals: whether a mail may go to somebody now, or later, or not at all.

The one place where frequency caps, quiet hours, cutoffs and moves inside a flow are held to, for campaigns
and flows alike. Each verdict stands on the row as its reason.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Random

from audience import clock, sql
from audience.models import ContactPolicy, Customer, Suppression, Workspace
from campaigns.flows.times import QuietHours
from campaigns.models import Campaign, Enrollment, FlowRun
from delivery.models import SendLog

Status = SendLog.Status
Reason = SendLog.Reason
# So many people are all asked about. Of more some are drawn by chance, about so many.
LOOKED_AT, DRAWN = 5_000, 1_000
# Of those who are at least so large a part of all ids, ids are drawn; of others people, as they are read.
LARGE = 0.25


class Due(NamedTuple):
    """A due row, locked, with the fence that the gate will give it."""

    id: int
    fence: int
    customer_id: int
    # Of a mail in a flow.
    due_at: Any = None
    cutoff_at: Any = None
    enrollment_id: int = 0
    round: int = 1


class Verdict(NamedTuple):
    """What the gate makes of a row unless the person is refused; `due_at` for one that may go later."""

    status: str
    reason: str = ""
    due_at: Any = None


def hold(workspace: Workspace) -> ContactPolicy | None:
    """Read the workspace's policy; if it has a cap, let no other gate count until this one has committed.

    Two campaigns that mail one person at once would each find room for one. Take it before any lock on a
    ledger row. SQLite has one sender and needs none.
    """
    policy: ContactPolicy | None = ContactPolicy.objects.filter(workspace=workspace).first()
    if policy is not None and policy.cap_mails:
        sql.wait_for_lock(sql.Lock.CAPS, workspace.pk)
    return policy


def judge(campaign: Campaign, policy: ContactPolicy | None, due: Sequence[Due]) -> dict[int, Verdict]:
    """The rows that may not go now, with what becomes of them. At most four queries."""
    now = clock.now()
    verdicts = {row.id: _SKIP_CUTOFF for row in due if row.cutoff_at and sql.as_moment(row.cutoff_at) < now}
    if campaign.flow_id:
        verdicts |= _of_flow(campaign, due)
    if policy is None:
        return verdicts
    if policy.quiet_from is not None and policy.quiet_until is not None:
        quiet = QuietHours(policy.quiet_from, policy.quiet_until)
        verdicts = dict(_quiet(campaign.workspace, policy, quiet, due, now)) | verdicts
    if policy.cap_mails:
        free = [row for row in due if row.id not in verdicts]
        verdicts |= dict(_capped(campaign.workspace_id, policy, policy.cap_mails, free, now))
    return verdicts


_SKIP_CUTOFF = Verdict(Status.SUPPRESSED, Reason.CUTOFF)


def _of_flow(campaign: Campaign, due: Sequence[Due]) -> dict[int, Verdict]:
    """Mails to people who were moved or taken out meanwhile, and those to be skipped after a pause."""
    found = Enrollment.objects.filter(
        pk__in=[row.enrollment_id for row in due], state=Enrollment.State.MAILING
    )
    rounds = dict(found.values_list("pk", "round"))
    before = FlowRun.objects.filter(pk=campaign.pk).values_list("skip_before", flat=True).first()
    verdicts = {}
    for row in due:
        if rounds.get(row.enrollment_id) != row.round:
            verdicts[row.id] = Verdict(Status.SUPPRESSED, Reason.LEFT_FLOW)
        elif before is not None and sql.as_moment(row.due_at) < before:
            verdicts[row.id] = Verdict(Status.SUPPRESSED, Reason.OVERDUE)
    return verdicts


def _quiet(
    workspace: Workspace, policy: ContactPolicy, quiet: QuietHours, due: Sequence[Due], now: datetime
) -> Iterator[tuple[int, Verdict]]:
    """Mails to people on whose clocks it is quiet."""
    customers = Customer.objects.filter(pk__in=[row.customer_id for row in due])
    names = dict(customers.values_list("pk", "time_zone"))
    ends: dict[str, datetime] = {}
    for row in due:
        name = names.get(row.customer_id) or workspace.time_zone
        if name not in ends:
            ends[name] = quiet.end(now, ZoneInfo(name))
        if ends[name] > now:
            yield row.id, _later(policy.quiet_action, Reason.QUIET_HOURS, ends[name])


def _capped(
    workspace_id: int, policy: ContactPolicy, most: int, due: Sequence[Due], now: datetime
) -> Iterator[tuple[int, Verdict]]:
    """Mails to people who have had as many as they may have."""
    span = timedelta(days=policy.cap_days)
    had = _had(workspace_id, {row.customer_id for row in due}, now - span, now)
    for row in due:
        mine = had.setdefault(row.customer_id, [])
        if len(mine) < most:
            mine.append(now)
        else:
            yield row.id, _later(policy.cap_action, Reason.CAPPED, sorted(mine)[-most] + span)


class Capped(NamedTuple):
    """People who have had as many mails as they may have, and what becomes of one more."""

    people: int = 0
    is_skipped: bool = True
    # Judged by some of them.
    is_estimate: bool = False


def capped(workspace: Workspace, customers: QuerySet[Customer], mailable: int) -> Capped:
    """Count who of these customers may be mailed but for the cap, as the ledger stands now.

    `mailable` is how many of them may be mailed; of more than LOOKED_AT some answer for all, so that it costs
    the same however many there are, and however long the ledger is. For pages: judge() decides when a mail
    is due, and asks of a mail in doubt when it became so.
    """
    policy: ContactPolicy | None = ContactPolicy.objects.filter(workspace=workspace).first()
    if policy is None or not policy.cap_mails:
        return Capped()
    suppressed = Suppression.objects.filter(workspace=workspace, email=OuterRef("email"))
    free = customers.filter(~Exists(suppressed), subscribed=True, unmailable=False).order_by()
    is_estimate = mailable > LOOKED_AT
    asked = _drawn(workspace, free, mailable) if is_estimate else list(free.values_list("pk", flat=True))
    full = _full(policy, policy.cap_mails, asked)
    people = round(mailable * full / max(len(asked), 1)) if is_estimate else full
    return Capped(people, policy.cap_action == ContactPolicy.Action.SKIP, is_estimate)


def _drawn(workspace: Workspace, customers: QuerySet[Customer], expected: int) -> list[int]:
    """Some of these customers, anywhere between the first and the last of the workspace."""
    ids = Customer.objects.of(workspace).order_by("pk").values_list("pk", flat=True)
    between = range(ids.first() or 0, (ids.last() or 0) + 1)
    if expected >= LARGE * len(between):
        tries = min(DRAWN * len(between) // expected, len(between))
        some = customers.filter(pk__in=random.sample(between, tries))
    else:
        some = customers.alias(chance=Random()).filter(chance__lt=DRAWN / expected)
    return list(some.values_list("pk", flat=True))


def _full(policy: ContactPolicy, most: int, customers: Sequence[int]) -> int:
    """How many of these customers have had as many mails as they may have."""
    since = clock.now() - timedelta(days=policy.cap_days)
    doubtful = _doubtful(customers) & Q(due_at__gt=since)
    rows = SendLog.objects.filter(_sent(customers, since) | doubtful, workspace=policy.workspace_id)
    counted = rows.order_by().values("customer").annotate(had=Count("pk"))
    return int(counted.filter(had__gte=most).count())


def _had(workspace_id: int, customers: set[int], since: datetime, now: datetime) -> dict[int, list[datetime]]:
    """When each of these customers had a mail in the workspace, or may have had one."""
    rows = SendLog.objects.filter(_sent(customers, since) | _doubtful(customers), workspace=workspace_id)
    had: dict[int, list[datetime]] = {}
    for customer, status, sent_at, history in rows.values_list("customer_id", "status", "sent_at", "history"):
        at = now if status == Status.SENDING else sent_at or _doubted_at(history)
        if at is not None and at > since:
            had.setdefault(customer, []).append(at)
    return had


# Each of the two finds its rows by the index of a customer's mails, however many there are. Only what is sent
# has a moment, and it stays sent (docs/states.md).


def _sent(customers: Collection[int], since: datetime) -> Q:
    return Q(customer__in=customers, sent_at__gt=since, status=Status.SENT)


def _doubtful(customers: Collection[int]) -> Q:
    return Q(customer__in=customers, sent_at=None, status__in=[Status.SENDING, Status.UNKNOWN])


def _doubted_at(history: Sequence[Mapping[str, str]]) -> datetime | None:
    """When a mail became unknown."""
    return sql.as_moment(history[-1]["at"]) if history else None


def _later(action: str, reason: Reason, moment: datetime) -> Verdict:
    if action == ContactPolicy.Action.SKIP:
        return Verdict(Status.SUPPRESSED, reason)
    return Verdict(Status.QUEUED, reason, sql.moment(moment))
