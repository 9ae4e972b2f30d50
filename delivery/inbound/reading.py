"""What a stored report tells about which mails, in Drumbeat's words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from anymail.signals import AnymailTrackingEvent, EventType

from delivery.inbound import bounces, mail, receivers
from delivery.inbound.receivers import Call
from delivery.inbound.services import MAIL
from delivery.models import Event, Inbound
from delivery.tokens import Reference
from delivery.transports.esp import PROVIDER_ID_LENGTH
from delivery.transports.esp_backends import ROW

Type = Event.Type
# What the service refuses or cannot send after it has accepted it did not arrive: a bounce. All others are
# kept as they came and say nothing about a mail's fate: queued, sent, autoresponded, subscribed, unknown.
TYPES = {
    EventType.DEFERRED: Type.DEFERRED,
    EventType.DELIVERED: Type.DELIVERED,
    EventType.BOUNCED: Type.BOUNCED,
    EventType.REJECTED: Type.BOUNCED,
    EventType.FAILED: Type.BOUNCED,
    EventType.OPENED: Type.OPENED,
    EventType.CLICKED: Type.CLICKED,
    EventType.COMPLAINED: Type.COMPLAINED,
    EventType.UNSUBSCRIBED: Type.UNSUBSCRIBED,
}
# Events that Anymail has no name for or another, by a field of the service's own. Postmark's
# SpamNotification is the mail server's judgement and nobody's complaint.
RENAMED: dict[str, tuple[str, dict[str, Event.Type]]] = {
    "amazon_ses": ("eventType", {"DeliveryDelay": Type.DEFERRED}),
    "mandrill": ("event", {"delivered": Type.DELIVERED}),
    "postmark": ("Type", {"SpamNotification": Type.BOUNCED}),
    "resend": ("type", {"email.failed": Type.BOUNCED, "email.suppressed": Type.BOUNCED}),
}
# No ledger row has a longer number.
MAX_DIGITS = 18


class Told(NamedTuple):
    """One fact about one mail, which is known by its row, a reference, or the provider's id alone."""

    about: Reference | int | None
    provider_id: str
    type: Event.Type
    at: datetime
    fact: str
    detail: str
    bounce: str
    user_agent: str
    recipient: str


def read(inbound: Inbound) -> list[Told]:
    """All that a report tells. Raises whatever its reader does for a body that it does not understand."""
    body = bytes(inbound.body)
    if inbound.service == MAIL:
        return [_told_by_mail(inbound, found) for found in mail.read(body)]
    call = Call(inbound.headers, body)
    found = receivers.events(inbound.service, call)
    return [told for event in found for told in _told(inbound, event)]


def _told(inbound: Inbound, event: AnymailTrackingEvent) -> Iterator[Told]:
    type_ = _type(inbound.service, event)
    if type_ is None:
        return
    bounce = bounces.kind(inbound.service, event) if type_ == Type.BOUNCED else ""
    at = _moment(event.timestamp, inbound.received_at)
    said = (event.mta_response, event.description, event.click_url)
    told = Told(
        about=_row(event),
        provider_id=str(event.message_id or "")[:PROVIDER_ID_LENGTH],
        type=type_,
        at=at,
        fact=_fact(inbound.service, event),
        detail=" ".join(str(words) for words in said if words),
        bounce=bounce,
        user_agent=str(event.user_agent or ""),
        recipient=str(event.recipient or ""),
    )
    if bounce == bounces.LEFT:
        yield told._replace(bounce=bounces.BLOCK)
        yield told._replace(type=Type.UNSUBSCRIBED, bounce="")
    else:
        yield told


def _type(service: str, event: AnymailTrackingEvent) -> Event.Type | None:
    if service in RENAMED:
        name, types = RENAMED[service]
        if found := types.get(str(event.esp_event.get(name))):
            return found
    return TYPES.get(event.event_type)


def _told_by_mail(inbound: Inbound, found: mail.Found) -> Told:
    bounce = (bounces.said(found.words) or bounces.SOFT) if found.type == Type.BOUNCED else ""
    at = _moment(found.at, inbound.received_at)
    return Told(found.about, "", found.type, at, found.fact, found.words, bounce, "", found.recipient)


def _row(event: AnymailTrackingEvent) -> int | None:
    """The ledger row that our mail named, in its metadata or, where a service has none, in its tag."""
    metadata: Any = event.metadata
    named = [metadata.get(ROW)] if isinstance(metadata, dict) else []
    named += [str(tag).removeprefix(f"{ROW}-") for tag in event.tags or [] if str(tag).startswith(f"{ROW}-")]
    numbers = (str(name) for name in named)
    return next((int(number) for number in numbers if _is_number(number)), None)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS


def _fact(service: str, event: AnymailTrackingEvent) -> str:
    """The same for an event that is reported again, by its own id or by its moment."""
    if service == "mailgun" and isinstance(event.esp_event.get("event-data"), dict):
        # Anymail takes the token of the signature, which may be another the next time.
        return str(event.esp_event["event-data"].get("id", ""))
    if event.event_id:
        return str(event.event_id)
    moment = event.timestamp.isoformat() if event.timestamp else ""
    return f"{moment} {event.click_url or ''}".strip()


def _moment(at: datetime | None, received_at: datetime) -> datetime:
    """When it happened: in UTC, and never later than we heard of it, for clocks go wrong."""
    if at is None:
        return received_at
    return min(at if at.tzinfo else at.replace(tzinfo=UTC), received_at)
