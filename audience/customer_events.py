"""The door for what customers did elsewhere: events such as `order_placed`, which start people on flows."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from audience import clock, sql
from audience.addresses import InvalidAddress, normalise
from audience.models import CustomerEvent, Workspace
from audience.models.events import EVENT_NAME

MAX_PROPERTIES = 50
MAX_BYTES = 8_000
MAX_KEY = 100
# A clock that is ahead is believed so far.
AHEAD = timedelta(minutes=5)
_property = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Happening:
    """One event as a source reports it, about a customer by address or by external id.

    `key` is the source's own id of it: reported twice, it is kept once.
    """

    name: str
    key: str
    email: str = ""
    external_id: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True)
class Taken:
    """What became of a report: new events, repeated ones, those about nobody, and what was wrong by place."""

    new: int = 0
    repeated: int = 0
    unknown: int = 0
    errors: Mapping[int, str] = field(default_factory=dict)


_COLUMNS = {
    "name": "text",
    "key": "text",
    "email": "text",
    "external_id": "text",
    "properties": "jsonb",
    "at": "timestamptz",
}


def ingest(workspace: Workspace, happenings: Sequence[Happening]) -> Taken:
    """Keep what happened to customers of a workspace, in one statement.

    Guards that each customer is of the workspace and each key is kept once; what is malformed is left out
    and said by its place, from 0. Commits with the caller's transaction, else by itself; may be repeated.
    """
    good: dict[str, dict[str, Any]] = {}
    errors: dict[int, str] = {}
    for place, happening in enumerate(happenings):
        try:
            row = _checked(happening)
        except ValueError as error:
            errors[place] = str(error)
        else:
            good.setdefault(row["key"], row)
    repeated = len(happenings) - len(errors) - len(good)
    with transaction.atomic():
        sql.wait_for_lock(sql.Lock.EVENTS, workspace.pk, shared=True)
        known, new = _insert(workspace, list(good.values())) if good else (0, 0)
    return Taken(new, repeated + known - new, len(good) - known, errors)


def settled_until(workspace_id: int) -> int:
    """The id up to which no event of the workspace can come in any more; 0: there is none.

    Ids are given out in one order and committed in another, so this waits for those who are writing.
    """
    with transaction.atomic():
        sql.wait_for_lock(sql.Lock.EVENTS, workspace_id)
        events = CustomerEvent.objects.filter(workspace=workspace_id).order_by("-id")
        return events.values_list("id", flat=True).first() or 0


def _insert(workspace: Workspace, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Write the rows; of how many the customer is known, and how many are new.

    An address finds its customer, else the external id does, the lowest id of several.
    """
    people = f"""
        SELECT r.*, COALESCE(
            (SELECT id FROM audience_customer c
             WHERE r.email <> '' AND c.workspace_id = %s AND c.email = r.email),
            (SELECT min(id) FROM audience_customer c
             WHERE r.email = '' AND r.external_id <> '' AND c.external_id <> ''
               AND c.workspace_id = %s AND c.external_id = r.external_id)) AS customer_id
        FROM {sql.table(_COLUMNS)} r"""  # noqa: S608 - constants of ours
    given: list[Any] = [workspace.pk, workspace.pk, sql.rows(rows)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(customer_id) FROM ({people}) AS found", given)  # noqa: S608
        (known,) = cursor.fetchone()
        cursor.execute(
            f"""
            INSERT INTO audience_customerevent (workspace_id, customer_id, name, properties, key, at)
            SELECT %s, customer_id, name, properties, key, at FROM ({people}) AS found
            WHERE customer_id IS NOT NULL ORDER BY key
            ON CONFLICT (workspace_id, key) DO NOTHING""",  # noqa: S608 - constants of ours
            [workspace.pk, *given],
        )
        return known, cursor.rowcount


def _checked(happening: Happening) -> dict[str, Any]:
    """The event as a row. Raises ValueError, whose message says what to do."""
    if not re.fullmatch(EVENT_NAME, happening.name):
        raise ValueError(f"The name {happening.name[:70]!r} is none: write it like order_placed.")
    if not happening.key or len(happening.key) > MAX_KEY or not happening.key.isprintable():
        raise ValueError(f"Each event needs a key of its own, of at most {MAX_KEY} characters.")
    if not happening.email and not happening.external_id:
        raise ValueError("Say whose event it is: give an e-mail address or an external id.")
    at = happening.at or clock.now()
    if at.tzinfo is None or at > clock.now() + AHEAD:
        raise ValueError("The moment needs a UTC offset and must not lie ahead.")
    return {
        "name": happening.name,
        "key": happening.key,
        "email": _address(happening.email),
        "external_id": happening.external_id[:100],
        "properties": _properties(happening.properties),
        "at": sql.moment(at),
    }


def _address(raw: str) -> str:
    if not raw:
        return ""
    try:
        return normalise(raw)
    except InvalidAddress as error:
        raise ValueError(f"{raw[:100]!r} is no e-mail address: {error}") from None


def _properties(raw: Mapping[str, Any]) -> dict[str, Any]:
    if len(raw) > MAX_PROPERTIES or len(json.dumps(raw, default=str)) > MAX_BYTES:
        raise ValueError(f"At most {MAX_PROPERTIES} properties, of {MAX_BYTES:,} bytes together, are kept.")
    for name, value in raw.items():
        if not _property.fullmatch(name):
            raise ValueError(f"The property {name[:70]!r} cannot be named so: write it like order_total.")
        if not isinstance(value, str | int | float | bool) or (isinstance(value, str) and "\0" in value):
            raise ValueError(f"The property {name} must be a text, a number, true or false.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"The property {name} must be a number that is finite.")
    return dict(raw)
