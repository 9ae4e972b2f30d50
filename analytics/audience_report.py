"""How an audience grows, how active it is, and how many of it complain."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from analytics.models import AudienceCount, AudienceDay, Reaction
from audience.models import Workspace
from campaigns.models import Sender
from delivery.models import Event, SenderDay

# What Gmail and Yahoo ask of bulk senders: stay below the first, never reach the second.
WATCH, LIMIT = 0.001, 0.003
# Days that a complaint rate is taken over: one day's would jump with every complaint.
WINDOW = 7


@dataclass(frozen=True)
class Growth:
    """One day: who opted in and out, and how many were opted in at its end."""

    day: date
    opted_in: int
    opted_out: int
    subscribed: int


@dataclass
class Domain:
    """What a sender domain sent, and what of it was complained about, day by day."""

    name: str
    senders: list[int]
    sent: list[int]
    complained: list[int]

    def rate(self, days: int | None = None) -> float | None:
        """Complaints per mail of the last days; None when nothing was sent."""
        days = days or len(self.sent)
        sent = sum(self.sent[-days:])
        return sum(self.complained[-days:]) / sent if sent else None

    @property
    def rates(self) -> list[float | None]:
        """The rate of each day and the six before it."""
        return [
            Domain(self.name, [], self.sent[: end + 1], self.complained[: end + 1]).rate(WINDOW)
            for end in range(len(self.sent))
        ]


def size(workspaces: Collection[Workspace]) -> AudienceCount | None:
    """The size of these audiences together, at the oldest of their counts; None before the first."""
    counts = AudienceCount.objects.filter(workspace__in=workspaces)
    names = ("customers", "subscribed", "active_30", "active_90", "active_365")
    oldest = counts.order_by("at").first()
    if oldest is None:
        return None
    return AudienceCount(at=oldest.at, **counts.aggregate(**{name: Sum(name) for name in names}))


def growth(workspaces: Collection[Workspace], days: int, counted: AudienceCount | None) -> list[Growth]:
    """The last days, each with how many were opted in at its end, counted back from `size`."""
    today = timezone.now().date()
    first = today - timedelta(days=days - 1)
    rows = AudienceDay.objects.filter(workspace__in=workspaces, day__gte=first).order_by("day")
    sums = rows.values_list("day").annotate(came=Sum("opted_in"), went=Sum("opted_out"))
    per_day = {day: (came, went) for day, came, went in sums}
    subscribed = counted.subscribed if counted else 0
    found = []
    for back in range(days):
        day = today - timedelta(days=back)
        opted_in, opted_out = per_day.get(day, (0, 0))
        found.append(Growth(day, opted_in, opted_out, max(subscribed, 0)))
        subscribed += opted_out - opted_in
    return found[::-1]


def complaints(senders: Iterable[Sender], days: int) -> list[Domain]:
    """Each sender domain that sent or was complained about in the last days, the busiest first."""
    first = timezone.now().date() - timedelta(days=days - 1)
    domains = {sender.pk: sender.from_email.rpartition("@")[2].lower() for sender in senders}
    found: dict[str, Domain] = {}
    for sender_id, name in sorted(domains.items()):
        new = Domain(name, [], [0] * days, [0] * days)
        found.setdefault(name, new).senders.append(sender_id)
    sent = SenderDay.objects.filter(sender__in=domains, day__gte=first)
    for sender_id, day, mails in sent.values_list("sender_id", "day", "sent"):
        _add(found[domains[sender_id]].sent, day, first, mails)
    per_day = complained(domains, first).order_by().values_list("sender_id", TruncDate("at", tzinfo=UTC))
    for sender_id, day, mails in per_day.annotate(Count("pk")):
        _add(found[domains[sender_id]].complained, day, first, mails)
    active = [domain for domain in found.values() if sum(domain.sent) or sum(domain.complained)]
    return sorted(active, key=lambda domain: (-sum(domain.sent), domain.name))


def complained(sender_ids: Collection[int], first: date) -> QuerySet[Reaction]:
    """The complaints about mails of these senders since a day, the oldest first."""
    workspaces = Sender.objects.filter(pk__in=sender_ids).values("workspace")
    rows = Reaction.objects.filter(workspace__in=workspaces, type=Event.Type.COMPLAINED, link=0)
    since = datetime.combine(first, time.min, UTC)
    return rows.filter(sender_id__in=list(sender_ids), at__gte=since).order_by("at", "sendlog_id")


def _add(per_day: list[int], day: date, first: date, number: int) -> None:
    place = (day - first).days
    if 0 <= place < len(per_day):
        per_day[place] += number
