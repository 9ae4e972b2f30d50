"""A customer's life with us: everything that happened, from all tables, in one order; read only.

Each source gives the next few of its own by an index that begins with the customer, and the newest of them
make a page: it costs the same whether a customer has ten mails or ten thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.db import models
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from audience.models import ConsentRecord, Customer, CustomerEvent, Suppression
from campaigns.models import Campaign, Content, Enrollment
from delivery import why
from delivery.models import Event, SendLog

SHOWN_PROPERTIES = 6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(models.TextChoices):
    """What a life can be narrowed to."""

    MAILS = "mails", _("Mails")
    REACTIONS = "reactions", _("Opens and clicks")
    CONSENT = "consent", _("Consent")
    EVENTS = "events", _("Customer events")
    FLOWS = "flows", _("Flows")


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `source` and `pk` say which row it is, and order what happened at once."""

    at: datetime
    source: int
    pk: int
    icon: str
    what: str
    detail: str = ""
    campaign: Campaign | None = None
    # Of a mail or an event about one: the ledger row.
    row: SendLog | None = None
    enrollment: Enrollment | None = None
    # Of a click: which link of its mail.
    link: int | None = None

    @property
    def place(self) -> Place:
        return Place(self.at, self.source, self.pk)


@dataclass(frozen=True)
class Place:
    """Where a page ended; the next begins with what comes after it."""

    at: datetime
    source: int
    pk: int

    @classmethod
    def read(cls, text: str) -> Place | None:
        """The place that an address names; None if it names none."""
        parts = text.split("-")
        if len(parts) != 3 or not all(part.isdecimal() and len(part) < 19 for part in parts):
            return None
        micros, source, pk = map(int, parts)
        try:
            return cls(EPOCH + timedelta(microseconds=micros), source, pk)
        except OverflowError:
            return None

    @property
    def order(self) -> tuple[int, int, int]:
        """The newest first; of what happened at once, by source and then the newest row."""
        return -self._micros, self.source, -self.pk

    @property
    def _micros(self) -> int:
        return (self.at - EPOCH) // timedelta(microseconds=1)

    def __str__(self) -> str:
        return f"{self._micros}-{self.source}-{self.pk}"

    def after(self, source: int, column: str) -> Q:
        """Of this source's rows those that come after: older, or as old and behind."""
        older, same = Q(**{f"{column}__lt": self.at}), Q(**{column: self.at})
        if source == self.source:
            return older | same & Q(pk__lt=self.pk)
        return older | same if source > self.source else older


@dataclass(frozen=True)
class Source:
    """One table's part of a life: its rows, the column of their moment, and what each says."""

    kind: Kind
    rows: Callable[[Customer], QuerySet[Any]]
    column: str
    entry: Callable[[int, Any], Entry]

    def next(self, number: int, customer: Customer, after: Place | None, size: int) -> Iterator[Entry]:
        rows = self.rows(customer).filter(**{f"{self.column}__isnull": False})
        if after is not None:
            rows = rows.filter(after.after(number, self.column))
        for row in rows.order_by(F(self.column).desc(), "-pk")[:size]:
            yield self.entry(number, row)


def page(customer: Customer, kind: Kind | None, after: Place | None, size: int) -> list[Entry]:
    """The next entries of a life, newest first. A query for each source, and one for the clicked links."""
    found = [
        entry
        for number, source in enumerate(SOURCES)
        if kind is None or source.kind == kind
        for entry in source.next(number, customer, after, size)
    ]
    return sorted(found, key=lambda entry: entry.place.order)[:size]


def addresses(entries: Sequence[Entry]) -> dict[tuple[int, int], str]:
    """The addresses of the links that were clicked, as templates have them, by content and number."""
    clicked = [(content_id(entry), entry.link) for entry in entries if entry.link]
    frozen = dict(Content.objects.filter(pk__in={pk for pk, _ in clicked}).values_list("pk", "links"))
    return {
        (pk, number): frozen[pk][number - 1]["url"]
        for pk, number in clicked
        if pk and number and number <= len(frozen.get(pk, ()))
    }


def content_id(entry: Entry) -> int | None:
    """What the mail of an entry said; a campaign without a flow has one content."""
    if entry.row is None or entry.campaign is None:
        return None
    return entry.row.content_id or entry.campaign.content_id


# --- The sources ---------------------------------------------------------------------------------------


def _suppressions(customer: Customer) -> QuerySet[Any]:
    rows: QuerySet[Any] = Suppression.objects.of(customer.workspace).filter(email=customer.email)
    return rows.select_related("created_by")


def _suppressed(number: int, row: Suppression) -> Entry:
    by = f"by {row.created_by}" if row.created_by else ""
    detail = " · ".join(filter(None, (row.get_reason_display(), row.note, by)))
    return Entry(row.created_at, number, row.pk, "block", "Suppressed: gets no mail", detail)


def _consents(customer: Customer) -> QuerySet[Any]:
    rows: QuerySet[Any] = ConsentRecord.objects.filter(customer=customer)
    return rows.select_related("actor", "customer_import")


def _consented(number: int, row: ConsentRecord) -> Entry:
    how = f"{row.get_source_display()} {row.customer_import.name}" if row.customer_import else ""
    by = f"by {row.actor}" if row.actor else ""
    detail = (how or row.get_source_display(), by, row.evidence, row.ip_address or "")
    icon = "check_circle" if row.granted else "do_not_disturb_on"
    channel = "e-mail" if row.channel == ConsentRecord.Channel.EMAIL else row.get_channel_display()
    what = f"Opted {'in to' if row.granted else 'out of'} {channel}"
    return Entry(row.at, number, row.pk, icon, what, " · ".join(filter(None, detail)))


def _mails(customer: Customer) -> QuerySet[Any]:
    """Also those under their address from before they were deleted and imported again."""
    mine = Q(customer_id=customer.pk) | Q(email=customer.email)
    rows: QuerySet[Any] = SendLog.objects.of(customer.workspace).filter(mine).select_related("campaign")
    return cast(QuerySet[Any], rows.annotate(moment=Coalesce("sent_at", "created_at")))


MAIL_ICONS = {"sent": "mail", "unknown": "help", "queued": "schedule", "sending": "schedule"}


def _mailed(number: int, row: Any) -> Entry:
    icon = MAIL_ICONS.get(row.status, "unsubscribe")
    return Entry(row.moment, number, row.pk, icon, "", why.sentence(row), row.campaign, row)


def _events(*types: Event.Type) -> Callable[[Customer], QuerySet[Any]]:
    """Reports of these types; of opens and clicks, those of people."""

    def rows(customer: Customer) -> QuerySet[Any]:
        found: QuerySet[Any] = Event.objects.filter(customer_id=customer.pk, type__in=types)
        if types[0] in (Event.Type.OPENED, Event.Type.CLICKED):
            found = found.filter(verdict=Event.Verdict.PERSON)
        return found.select_related("sendlog__campaign")

    return rows


ICONS = {"opened": "drafts", "clicked": "ads_click", "bounced": "undo", "complained": "report"}


def _came_back(number: int, row: Event) -> Entry:
    detail = row.detail if row.type in (Event.Type.BOUNCED, Event.Type.COMPLAINED) else ""
    mail = row.sendlog
    icon = ICONS.get(row.type, "bolt")
    return Entry(
        row.at, number, row.pk, icon, row.in_words, detail[:300], mail.campaign, mail, link=row.link or None
    )


def _customer_events(customer: Customer) -> QuerySet[Any]:
    rows: QuerySet[Any] = CustomerEvent.objects.filter(customer=customer)
    return rows


def _did(number: int, row: CustomerEvent) -> Entry:
    said = [f"{name}: {value}" for name, value in list(row.properties.items())[:SHOWN_PROPERTIES]]
    return Entry(row.at, number, row.pk, "bolt", row.name, ", ".join(said)[:300])


def enrollments(customer: Customer) -> QuerySet[Enrollment]:
    """Their ways through flows. By the workspace's campaigns on flows, since an index begins with those."""
    on_flows = Campaign.objects.of(customer.workspace).exclude(flow=None).values("pk")
    rows = Enrollment.objects.filter(campaign__in=on_flows, customer=customer)
    return rows.select_related("campaign__workspace", "version__flow")


def _began(number: int, row: Enrollment) -> Entry:
    what = "Began the flow"
    return Entry(row.entered_at, number, row.pk, "route", what, "", row.campaign, enrollment=row)


def _ended(number: int, row: Enrollment) -> Entry:
    finished = row.state == Enrollment.State.FINISHED
    what = "Came to the end of the flow" if finished else "Left the flow"
    assert row.ended_at is not None  # noqa: S101 - the source asks for those that have it
    return Entry(
        row.ended_at, number, row.pk, "flag", what, row.get_reason_display(), row.campaign, enrollment=row
    )


def _customers(customer: Customer) -> QuerySet[Any]:
    rows: QuerySet[Any] = Customer.objects.filter(pk=customer.pk)
    return rows


def _came(number: int, row: Customer) -> Entry:
    return Entry(row.created_at, number, row.pk, "person_add", "Became a customer")


# Of what happened at one moment, the first here is shown as the newest.
SOURCES = (
    Source(Kind.CONSENT, _suppressions, "created_at", _suppressed),
    Source(Kind.CONSENT, _consents, "at", _consented),
    Source(Kind.REACTIONS, _events(Event.Type.CLICKED), "at", _came_back),
    Source(Kind.REACTIONS, _events(Event.Type.OPENED), "at", _came_back),
    Source(Kind.MAILS, _events(Event.Type.BOUNCED, Event.Type.COMPLAINED), "at", _came_back),
    Source(Kind.MAILS, _mails, "moment", _mailed),
    Source(Kind.EVENTS, _customer_events, "at", _did),
    Source(Kind.FLOWS, enrollments, "ended_at", _ended),
    Source(Kind.FLOWS, enrollments, "entered_at", _began),
    Source(Kind.CONSENT, _customers, "created_at", _came),
)
