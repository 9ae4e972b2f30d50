"""A stored report for people: what it tells, about which mails, and the body without its brackets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from delivery.inbound.reading import Told, read
from delivery.inbound.services import MAIL
from delivery.models import Event, Inbound, SendLog
from delivery.tokens import Reference

Bounce = Event.Bounce
# Facts, and lines of the body, on one page; a batch of a service can hold thousands.
MOST_FACTS = 50
MOST_LINES = 300
MOST_TEXT = 20_000


@dataclass(frozen=True)
class Fact:
    """What a report tells about one mail; without a row, it is no mail of this sender."""

    words: str
    told: Told
    row: SendLog | None


def told(inbound: Inbound) -> list[Fact]:
    """What the report tells; nothing when it tells nothing, or cannot be read (its error says why)."""
    try:
        facts = read(inbound)[:MOST_FACTS]
    except Exception:
        # Whatever a stored body makes of its reader, the page is to show it all the same.
        return []
    mine = SendLog.objects.filter(sender=inbound.sender_id, workspace=inbound.workspace_id)
    rows = mine.in_bulk([pk for fact in facts if (pk := _row_id(fact)) is not None])
    unnamed = [fact.provider_id for fact in facts if fact.about is None and fact.provider_id]
    known = {row.provider_id: row for row in mine.exclude(provider_id="").filter(provider_id__in=unnamed)}
    return [
        Fact(_words(fact), fact, rows.get(pk) if (pk := _row_id(fact)) else known.get(fact.provider_id))
        for fact in facts
    ]


def lines(inbound: Inbound) -> list[tuple[str, str]]:
    """The body as (where, what): each value of its JSON with the way to it, or the lines of a mail."""
    text = bytes(inbound.body).decode("utf-8", "replace")
    if inbound.service == MAIL:
        return [("", text[:MOST_TEXT])]
    if inbound.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        found: Any = {name: _parsed(value) for name, value in parse_qsl(text)}
    else:
        found = _parsed(text)
    return [line for line, _ in zip(_flat(found), range(MOST_LINES), strict=False)]


def _words(fact: Told) -> str:
    return str(Bounce(fact.bounce).label if fact.bounce else fact.type.label)


def _row_id(fact: Told) -> int | None:
    return fact.about.row_id if isinstance(fact.about, Reference) else fact.about


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _flat(value: Any, way: str = "") -> Iterator[tuple[str, str]]:
    """Every value with the names that lead to it; JSON inside of JSON, as Amazon sends it, is opened too."""
    if isinstance(value, str) and value[:1] == "{":
        value = _parsed(value)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{way} › {name}" if way else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield from _flat(inner, f"{way} {number}".strip())
    else:
        yield way, "" if value is None else str(value)
