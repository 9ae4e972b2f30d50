"""A received message as people read it: its headers, its text and its HTML, as far as they can be made out.

A mailbox takes everything, so nothing here may fail. The standard library's older policy is used, since
the newer one raises on headers as simple as `To: <`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from typing import cast

SHOWN_HEADERS = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe")


@dataclass(frozen=True)
class Parsed:
    """What a mail program would show. A part that the message does not have is None."""

    headers: list[tuple[str, str]]
    text: str | None
    html: str | None


def parse(raw: bytes) -> Parsed:
    """Read a message; what cannot be decoded is replaced or shown as it came."""
    mail = message_from_bytes(raw)
    return Parsed(list(_headers(mail)), _part(mail, "text/plain"), _part(mail, "text/html"))


def _headers(mail: Message) -> Iterator[tuple[str, str]]:
    values = {name.lower(): value for name, value in reversed(mail.items())}
    for name in SHOWN_HEADERS:
        if name.lower() in values:
            yield name, _decoded(str(values[name.lower()]))


def _decoded(value: str) -> str:
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    value = " ".join(value.split())
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _part(mail: Message, kind: str) -> str | None:
    for part in mail.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            content = cast(bytes, part.get_payload(decode=True))
            try:
                return content.decode(part.get_content_charset("utf-8"), "replace")
            except (LookupError, ValueError):
                return content.decode("utf-8", "replace")
    return None
