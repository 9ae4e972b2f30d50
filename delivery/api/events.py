"""What came back about mails: a feed, the newest first."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

from django.db.models import Q, QuerySet
from ninja import Query, Router
from pydantic import Field

from audience.api.frame import Allowed, ApiRequest, Page, PageQuery, answers, whole
from audience.api.schemas import Id, Out, example, listed
from delivery.models import Event

router = Router(tags=["Events"])

EventType = Annotated[Event.Type, listed(Event.Type)]
MICROSECONDS = 1_000_000


class EventOut(Out):
    """A fact that came back about one mail."""

    model_config = example(
        {
            "id": 1,
            "type": "clicked",
            "source": "tracker",
            "recipient_id": 1,
            "customer_id": 1,
            "bounce": "",
            "link": 1,
            "verdict": "person",
            "verdict_reason": "",
            "detail": "",
            "at": "2026-11-01T10:02:11Z",
            "received_at": "2026-11-01T10:02:12Z",
        }
    )

    id: int
    type: EventType
    source: Annotated[Event.Source, listed(Event.Source)]
    recipient_id: int = Field(description="The mail, as the recipients of its campaign name it.")
    customer_id: int
    bounce: str = Field(description="Of a bounce: hard, soft or block.")
    link: int | None = Field(description="Of a click: which link of the mail, from 1.")
    verdict: str = Field(description="Who opened or clicked: person, apple, proxy, scanner or prefetch.")
    verdict_reason: str
    detail: str = Field(description="In the provider's own words.")
    at: datetime
    received_at: datetime


class EventQuery(PageQuery):
    type: EventType | None = None
    customer_id: Id | None = None
    recipient_id: Id | None = None


@router.get("/events", auth=Allowed("events:read"), response=answers(Page[EventOut]))
def list_events(request: ApiRequest, asked: Query[EventQuery]) -> Page[EventOut]:
    """List what came back about mails, the newest first."""
    rows: QuerySet[Event] = Event.objects.of(request.auth.workspace)
    if asked.customer_id is not None:
        rows = rows.filter(customer_id=asked.customer_id)
    if asked.recipient_id is not None:
        rows = rows.filter(sendlog_id=asked.recipient_id)
    if asked.cursor:
        rows = rows.filter(_before(asked.cursor))
    found = _newest(rows, [asked.type] if asked.type else list(Event.Type), asked.limit + 1)
    last = found[asked.limit - 1] if len(found) > asked.limit else None
    return Page(items=[_shown(event) for event in found[: asked.limit]], next=_cursor(last) if last else None)


def _newest(rows: QuerySet[Event], types: list[Event.Type], size: int) -> list[Event]:
    """The newest events of these types, each type by its index, however many there are."""
    newest = [rows.filter(type=type_).order_by("-at", "-id")[:size] for type_ in types]
    merged = heapq.merge(*newest, key=lambda event: (event.at, event.pk), reverse=True)
    return list(islice(merged, size))


def _cursor(event: Event) -> str:
    return f"{int(event.at.timestamp()) * MICROSECONDS + event.at.microsecond}.{event.pk}"


def _before(cursor: str) -> Q:
    moment, _, pk = cursor.partition(".")
    seconds, microseconds = divmod(whole(moment), MICROSECONDS)
    # As far as Python's calendar goes: a cursor may be anything.
    at = datetime.fromtimestamp(min(seconds, 253_402_300_799), UTC).replace(microsecond=microseconds)
    return Q(at__lte=at) & (Q(at__lt=at) | Q(pk__lt=whole(pk)))


def _shown(event: Event) -> EventOut:
    columns = EventOut.model_fields.keys() - {"recipient_id"}
    return EventOut(**{column: getattr(event, column) for column in columns}, recipient_id=event.sendlog_id)
