"""Reports that come as mails: delivery status notifications (RFC 3464) and complaints (ARF, RFC 5965).

Anybody can send one. What proves that it is about a mail of ours is that mail's own unsubscribe link in
the part that was returned, with its signed token: who forges a report has to have had the mail.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from delivery import tokens
from delivery.models import Event
from delivery.tokens import Reference

Type = Event.Type
# RFC 3464, 2.3.3; what was passed on to somebody else's list or gateway is as good as delivered.
ACTIONS = {
    "failed": Type.BOUNCED,
    "delayed": Type.DEFERRED,
    "delivered": Type.DELIVERED,
    "relayed": Type.DELIVERED,
    "expanded": Type.DELIVERED,
}
# RFC 5965, 3.5; "not-spam" takes nothing back, since nobody can say what it answers.
COMPLAINTS = {"abuse", "fraud", "virus", "other"}
UNSUBSCRIBE = re.compile(r"/u/([\w-]{43}(?:[\w-]{5})?)>")
STATUS, FEEDBACK = "message/delivery-status", "message/feedback-report"
RETURNED = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")


class Found(NamedTuple):
    """One fact that a report tells about the mail it returns."""

    about: Reference
    type: Event.Type
    at: datetime | None
    words: str
    fact: str
    recipient: str


def read(raw: bytes) -> list[Found]:
    """What a mail reports about one of ours; nothing when it is no report, or about no mail of ours."""
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    parts = {part.get_content_type(): part for part in message.walk()}
    about = _about(next((parts[kind] for kind in RETURNED if kind in parts), None))
    if about is None or not about.customer_id:
        return []
    fact = hashlib.blake2b(raw, digest_size=16).hexdigest()
    if STATUS in parts:
        return list(_statuses(parts[STATUS], about, _date(message["Date"]), fact))
    if FEEDBACK in parts:
        return list(_complaint(parts[FEEDBACK], about, fact))
    return []


def _about(returned: Message | None) -> Reference | None:
    """Whose mail was returned, by the link that only Drumbeat can have made."""
    if returned is None:
        return None
    head = _blocks(returned)[0].items() if _blocks(returned) else _headers(returned)
    link = next((value for name, value in head if name.lower() == "list-unsubscribe"), "")
    token = UNSUBSCRIBE.search(re.sub(r"\s+", "", str(link)))
    try:
        return tokens.read(token[1]) if token else None
    except tokens.InvalidToken:
        return None


def _headers(part: Message) -> list[tuple[str, str]]:
    text = part.get_payload(decode=True)
    return list(email.message_from_bytes(text).items()) if isinstance(text, bytes) else []


def _blocks(part: Message) -> list[Message]:
    """The groups of header fields, or the mail, that a part of the type message/* consists of."""
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _statuses(part: Message, about: Reference, at: datetime | None, fact: str) -> Iterator[Found]:
    """One fact for each recipient; our mails have one. The first block is about the message as a whole."""
    for fields in _blocks(part):
        type_ = ACTIONS.get(str(fields.get("Action", "")).strip().lower())
        if type_ is not None:
            words = " ".join(str(fields.get(name, "")) for name in ("Status", "Diagnostic-Code"))
            moment = _date(fields["Last-Attempt-Date"]) or at
            yield Found(about, type_, moment, _one_line(words), fact, _address(fields["Final-Recipient"]))


def _complaint(part: Message, about: Reference, fact: str) -> Iterator[Found]:
    fields = next(iter(_blocks(part)), part)
    kind = str(fields.get("Feedback-Type", "")).strip().lower()
    if kind in COMPLAINTS:
        at = _date(fields["Arrival-Date"] or fields["Received-Date"])
        words = f"{kind}: {fields.get('User-Agent', '')}"
        yield Found(about, Type.COMPLAINED, at, _one_line(words), fact, _address(fields["Original-Rcpt-To"]))


def _date(value: object) -> datetime | None:
    try:
        return parsedate_to_datetime(str(value)) if value else None
    except ValueError:
        return None


def _address(value: object) -> str:
    """RFC 3464, 2.3.2: "rfc822;ada@example.org"."""
    return str(value or "").rpartition(";")[2].strip(" <>")


def _one_line(words: str) -> str:
    return " ".join(words.split())
