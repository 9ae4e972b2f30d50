"""Stage 9 of the pipeline, first half: keep what came back, once, before anything follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from delivery import sql
from delivery.errors.base import CONTROL, ERROR_LENGTH
from delivery.models import Event
from delivery.tokens import Reference

# How the detail of a bounce begins: whether the address is at fault for good.
HARD = "Hard bounce"
SOFT = "Soft bounce"
# A longer name of a fact stands in the key by its digest.
MAX_FACT = 64


class Report(NamedTuple):
    """What a provider reports about one mail, known by its ledger row or by the signed reference in it.

    `fact` is the provider's own id of what happened, where it can happen to a mail more than once.
    A bounce is `permanent` when the address does not take mail and never will (RFC 3463: 5.1.1).
    """

    about: Reference | int
    type: Event.Type
    at: datetime | None = None
    fact: str = ""
    detail: str = ""
    permanent: bool = False


def record(
    about: Reference, type_: Event.Type, source: Event.Source, *, fact: str, at: datetime | None = None
) -> Event:
    """Keep an event about a ledger row; a repeated report gives the event that is there already.

    `fact` tells one happening from another of the same type; a report that is repeated repeats it.
    Commits by itself, so that nothing is lost when what follows from the event fails.
    """
    event, _ = Event.objects.get_or_create(
        key=_key(source, about.row_id, type_, fact),
        defaults={
            "workspace_id": about.workspace_id,
            "sendlog_id": about.row_id,
            "customer_id": about.customer_id,
            "type": type_,
            "source": source,
            "at": at or timezone.now(),
        },
    )
    return event


_REPORTED = {
    "row_id": "bigint",
    "workspace_id": "bigint",
    "customer_id": "bigint",
    "type": "text",
    "key": "text",
    "detail": "text",
    "at": "timestamptz",
}


def record_reports(reports: Sequence[Report]) -> list[int]:
    """Keep what a provider reports, in one statement; return the ids of the events that are new.

    Guards that the ledger row exists and is the one that the reference names, of that workspace and
    customer: a report that fits no row leaves no trace. Commits by itself; may be repeated.
    """
    statement = f"""
        INSERT INTO delivery_event
            (workspace_id, sendlog_id, customer_id, type, source, key, detail, at)
        SELECT l.workspace_id, l.id, l.customer_id, r.type, '{Event.Source.PROVIDER}', r.key, r.detail, r.at
        FROM {sql.table(_REPORTED)} r
        JOIN delivery_sendlog l ON l.id = r.row_id
          AND l.workspace_id = COALESCE(r.workspace_id, l.workspace_id)
          AND l.customer_id = COALESCE(r.customer_id, l.customer_id)
        ORDER BY r.key
        ON CONFLICT (key) DO NOTHING
        RETURNING id"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [sql.rows(map(_reported, reports))])
        return [event_id for (event_id,) in cursor.fetchall()]


def is_hard_bounce(event: Event) -> bool:
    return event.type == Event.Type.BOUNCED and event.detail.startswith(HARD)


def _reported(report: Report) -> dict[str, Any]:
    about = report.about if isinstance(report.about, Reference) else None
    row_id = about.row_id if about else report.about
    return {
        "row_id": row_id,
        "workspace_id": about.workspace_id if about else None,
        "customer_id": about.customer_id if about else None,
        "type": report.type,
        "key": _key(Event.Source.PROVIDER, row_id, report.type, report.fact),
        "detail": _detail(report),
        "at": sql.moment(report.at or timezone.now()),
    }


def _detail(report: Report) -> str:
    """The provider's words, without what a database cannot hold; of a bounce, its kind before them."""
    words = CONTROL.sub(" ", report.detail.encode("utf-8", "replace").decode())[:ERROR_LENGTH].strip()
    if report.type != Event.Type.BOUNCED:
        return words
    kind = HARD if report.permanent else SOFT
    return f"{kind}: {words}" if words else kind


def _key(source: Event.Source, row_id: object, type_: Event.Type, fact: str) -> str:
    if len(fact) > MAX_FACT or CONTROL.search(fact):
        fact = hashlib.blake2b(fact.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{source}:{row_id}:{type_}:{fact}"
