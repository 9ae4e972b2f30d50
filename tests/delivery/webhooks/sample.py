"""One report of a service, with blanks for the mail that it is about, and what is to follow from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EPOCH = int(AT.timestamp())
ISO = "2026-03-01T12:00:00Z"
# What a mail server says.
UNKNOWN_USER = "550 5.1.1 The email account that you tried to reach does not exist"
FULL = "452 4.2.2 The recipient's inbox is out of storage space"
SPAM = "550 5.7.1 Our system has detected that this message is likely unsolicited mail"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0"
LINK = "https://acme.example/spring"

HARD, SOFT, BLOCK = ("bounced", "hard"), ("bounced", "soft"), ("bounced", "block")
DELIVERED, DEFERRED, OPENED, CLICKED = ("delivered", ""), ("deferred", ""), ("opened", ""), ("clicked", "")
COMPLAINED, UNSUBSCRIBED = ("complained", ""), ("unsubscribed", "")
# The service had refused the person before.
LEFT = (BLOCK, UNSUBSCRIBED)
# What else it says: kept as it came, and no event.
NOTHING: tuple[tuple[str, str], ...] = ()


class Sample(NamedTuple):
    """A report. In `payload`, {row}, {email} and {id} stand for the mail."""

    service: str
    name: str
    payload: Any
    told: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.service} {self.name}"

    @property
    def reason(self) -> str:
        """Why the address is suppressed afterwards; empty: it is not."""
        if COMPLAINED in self.told:
            return "complaint"
        if HARD in self.told:
            return "hard_bounce"
        return "unsubscribe" if UNSUBSCRIBED in self.told else ""

    @property
    def outcome(self) -> str:
        outcomes = ("deferred", "delivered", "bounced", "complained")
        return next((type_ for type_, _ in self.told if type_ in outcomes), "")


def filled(payload: Any, row: object, email: str, ident: str) -> Any:
    """A payload whose blanks are filled; works in JSON inside of JSON as well."""
    text = json.dumps(payload).replace("{row}", str(row)).replace("{email}", email).replace("{id}", ident)
    return json.loads(text)
