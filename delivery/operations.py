"""How the engine is, for the operations page and the health endpoint: what waits, what is stuck, what failed.

Read-only, and cheap on a ledger of millions: every question is answered by one of the partial indexes
of open or exceptional rows, from its beginning or its end, and counting stops at a cap.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, DurationField, ExpressionWrapper, F, Min, Q, QuerySet
from django.db.models.functions import Now

from audience.mailbox_providers import MailboxProvider
from campaigns.models import Campaign, CampaignSender, Sender
from delivery import sql
from delivery.models import Circuit, Inbound, Progress, SendLog

Status = SendLog.Status
Reason = SendLog.Reason

# Rows that one look counts at most over all lanes, but never fewer than LEAST in each.
CAP = 50_000
LEAST = 100
SHOWN_CAMPAIGNS = 20
# A campaign that ended longer ago shows its failures on its own page only.
RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rows:
    """A number of ledger rows; `more` when counting stopped before the end."""

    count: int = 0
    more: bool = False

    def __add__(self, other: Rows) -> Rows:
        return Rows(self.count + other.count, self.more or other.more)

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        return f"{self.count:,}{'+' if self.more else ''}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows of one campaign that failed, are unknown or will be tried again, for one reason."""

    campaign_id: int
    campaign: str
    reason: str
    rows: Rows

    @property
    def in_words(self) -> str:
        return str(Reason(self.reason).label) if self.reason else "No reason was given"


# --- What waits --------------------------------------------------------------------------------------


# The queued rows of a campaign's sender to one mailbox provider.
QUEUED = f"""
    FROM delivery_sendlog l
    WHERE l.campaign_id = share.campaign_id AND l.sender_id = share.sender_id
      AND l.mailbox_provider = recipients.provider AND {sql.is_queued("l")}"""

# Written out: of a table from JSON, PostgreSQL expects so many rows that it compiles the query for a second.
PROVIDERS = " UNION ALL ".join(f"SELECT '{provider}' AS provider" for provider in MailboxProvider.values)


class Queue(NamedTuple):
    """What waits for one sender of one active campaign, to one mailbox provider."""

    campaign_id: int
    campaign: str
    sender_id: int
    provider: str
    due: Rows
    later: Rows
    # Of both: those that failed once and will be tried again.
    retrying: Rows
    # Since the oldest row was due; negative while it is not.
    age: timedelta | None


def queues(most: int = CAP) -> list[Queue]:
    """What waits in every lane of every active campaign, counting about so many rows. Two queries."""
    shares = CampaignSender.objects.filter(campaign__status=Campaign.Status.ACTIVE).count()
    cap = max(most // max(shares * len(MailboxProvider), 1), LEAST)
    due, later = f"l.due_at <= {sql.now()}", f"l.due_at > {sql.now()}"
    # A retry is due after all that has not been tried yet: those due last show them.
    last = f"SELECT l.reason {QUEUED} ORDER BY l.due_at DESC, l.id DESC LIMIT {cap}"
    statement = f"""
        SELECT share.campaign_id, c.name, share.sender_id, recipients.provider,
            (SELECT COUNT(*) FROM (SELECT 1 {QUEUED} AND {due} LIMIT {cap}) AS counted),
            (SELECT COUNT(*) FROM (SELECT 1 {QUEUED} AND {later} LIMIT {cap}) AS counted),
            (SELECT COUNT(*) FROM ({last}) AS counted WHERE counted.reason = '{Reason.RETRY}'),
            (SELECT {_seconds_since("l.due_at")} {QUEUED} ORDER BY l.due_at, l.id LIMIT 1)
        FROM campaigns_campaignsender share
        JOIN campaigns_campaign c ON c.id = share.campaign_id AND c.status = 'active'
        CROSS JOIN ({PROVIDERS}) AS recipients
        ORDER BY share.campaign_id, share.sender_id"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [])
        return [_queue(row, cap) for row in cursor.fetchall()]


def _queue(row: Sequence[Any], cap: int) -> Queue:
    campaign_id, campaign, sender_id, provider, *counts, seconds = row
    due, later, retrying = (Rows(count, more=count == cap) for count in counts)
    age = None if seconds is None else timedelta(seconds=float(seconds))
    return Queue(campaign_id, campaign, sender_id, provider, due, later, retrying, age)


def _seconds_since(moment: str) -> str:
    """SQL for the seconds from a moment until now, by the database's clock."""
    if sql.is_postgresql():
        return f"EXTRACT(EPOCH FROM {sql.now()} - {moment})"
    return f"(julianday({sql.now()}) - julianday({moment})) * 86400"


@dataclass(slots=True)
class SenderLine:
    """A sender that is in use or in trouble, with what waits for it."""

    sender: Sender
    circuit: Circuit | None
    queues: list[Queue]

    @property
    def due(self) -> Rows:
        return sum((queue.due for queue in self.queues), Rows())

    @property
    def later(self) -> Rows:
        return sum((queue.later for queue in self.queues), Rows())

    @property
    def age(self) -> timedelta | None:
        """Since the oldest row was due; negative while none is."""
        return max((queue.age for queue in self.queues if queue.age is not None), default=None)


def senders(waiting: Sequence[Queue]) -> list[SenderLine]:
    """The senders of active campaigns, those whose circuit is open, and those that stopped in mid-campaign.

    Those for whom most is due come first. Two queries.
    """
    by_sender: dict[int, list[Queue]] = defaultdict(list)
    for queue in waiting:
        by_sender[queue.sender_id].append(queue)
    circuits = Circuit.objects.in_bulk()
    running = CampaignSender.objects.filter(
        campaign__status__in=[Campaign.Status.ACTIVE, Campaign.Status.PAUSED]
    )
    in_trouble = Q(pk__in=circuits) | Q(
        state__in=[Sender.State.STOPPED, Sender.State.RECONNECT], pk__in=running.values("sender")
    )
    found = Sender.objects.filter(Q(pk__in=by_sender) | in_trouble).select_related("workspace")
    lines = [SenderLine(sender, circuits.get(sender.pk), by_sender[sender.pk]) for sender in found]
    return sorted(lines, key=lambda line: -line.due.count)


# --- What is in the workers' hands -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InHand:
    """Rows that workers are handing over; stuck are those whose lease has ended and that nobody mended."""

    held: Rows
    stuck: int
    stuck_since: datetime | None


def in_hand() -> InHand:
    """One query, from the end of the leases; those that have ended come first."""
    held = SendLog.objects.filter(status=Status.SENDING).order_by("lease_until")[:CAP]
    ended = Q(lease_until__lt=Now())
    sums = held.aggregate(
        held=Count("pk"), stuck=Count("pk", filter=ended), since=Min("lease_until", filter=ended)
    )
    return InHand(Rows(sums["held"], more=sums["held"] == CAP), sums["stuck"], sums["since"])


def is_sending() -> bool:
    """Whether any worker has a mail in hand, at this moment."""
    return SendLog.objects.filter(status=Status.SENDING, lease_until__gt=Now()).exists()


# --- What went wrong ---------------------------------------------------------------------------------


def unknowns() -> list[Progress]:
    """The campaigns with unknown mails, newest first, by their sums: one query."""
    sums = Progress.objects.filter(unknown__gt=0).select_related("campaign__workspace")
    return list(sums.order_by("-pk")[:SHOWN_CAMPAIGNS])


def failures() -> list[Failure]:
    """Failed and unknown rows by campaign and reason, of campaigns that run or ended lately. Two queries."""
    campaigns = dict(_failing_campaigns())
    if not campaigns:
        return []
    cap = CAP // SHOWN_CAMPAIGNS
    parts = [_failed(pk, status, cap) for pk in campaigns for status in (Status.FAILED, Status.UNKNOWN)]
    statement = f"""
        SELECT campaign_id, reason, COUNT(*) FROM ({" UNION ALL ".join(parts)}) AS failed
        GROUP BY campaign_id, reason ORDER BY 3 DESC"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [])
        found = cursor.fetchall()
    seen = Counter[int]()
    for campaign_id, _, count in found:
        seen[campaign_id] += count
    return [
        Failure(campaign_id, campaigns[campaign_id], reason, Rows(count, more=seen[campaign_id] >= cap))
        for campaign_id, reason, count in found
    ]


def _failed(campaign_id: int, status: str, cap: int) -> str:
    """SQL for some of a campaign's rows with this status.

    All statuses of the index sendlog_exceptions are named, since SQLite uses it for no others.
    """
    return f"""
        SELECT * FROM (
            SELECT campaign_id, reason FROM delivery_sendlog
            WHERE campaign_id = {campaign_id:d} AND status = '{status}'
              AND status IN ('failed', 'unknown', 'suppressed', 'cancelled')
            LIMIT {cap}) AS part"""  # noqa: S608 - constants of ours


def _failing_campaigns() -> QuerySet[Campaign, tuple[int, str]]:
    """The newest of them, as ids and names: told by their sums, not by the ledger."""
    running = Q(status__in=[Campaign.Status.ACTIVE, Campaign.Status.PAUSED])
    failing = Progress.objects.filter(Q(failed__gt=0) | Q(unknown__gt=0))
    found = Campaign.objects.filter(running | Q(finished_at__gte=Now() - RECENT), pk__in=failing.values("pk"))
    return found.order_by("-pk").values_list("pk", "name")[:SHOWN_CAMPAIGNS]


def retries(waiting: Sequence[Queue]) -> list[Failure]:
    """What will be tried again, by campaign; asks nothing more of the database."""
    rows: dict[tuple[int, str], Rows] = defaultdict(Rows)
    for queue in waiting:
        rows[queue.campaign_id, queue.campaign] += queue.retrying
    return [Failure(*campaign, Reason.RETRY, count) for campaign, count in rows.items() if count]


# --- What comes back -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reports:
    """Providers' reports that wait to be processed, and those of the last day that were given up."""

    waiting: Rows
    # Since the one that has been due for longest came in; None while none is due.
    age: timedelta | None
    given_up: int


def reports() -> Reports:
    """What the inbox of providers' reports holds, by its partial indexes. Three queries."""
    waiting = Inbound.objects.filter(processed_at=None)
    count = waiting.order_by()[: CAP + 1].count()
    waits_for = ExpressionWrapper(Now() - F("received_at"), output_field=DurationField())
    due = waiting.filter(due_at__lte=Now()).order_by("due_at").annotate(age=waits_for)
    failed = Inbound.objects.filter(received_at__gte=Now() - RECENT).exclude(error="")
    return Reports(
        Rows(min(count, CAP), more=count > CAP),
        due.values_list("age", flat=True).first(),
        failed.exclude(processed_at=None).order_by()[:CAP].count(),
    )
