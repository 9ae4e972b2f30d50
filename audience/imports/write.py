"""Writes one chunk of rows: customers, their consent and its evidence, in a handful of statements.

The rows go into a temporary table; from there on everything is decided by the database.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from audience import erasure
from audience.consent import MAX_EVIDENCE
from audience.customers import CLEANERS
from audience.imports.mapping import ROW, Row
from audience.models import ConsentRecord

_CREATE = """
    CREATE TEMPORARY TABLE chunk (
        email text, unmailable boolean, external_id text, name text, phone text, time_zone text,
        language text, subscribed boolean, sms_subscribed boolean, attributes jsonb, rows integer,
        customer_id bigint, is_new boolean, is_subscribed boolean, is_sms_subscribed boolean,
        suppressed boolean, withdrew boolean, sms_withdrew boolean
    )
"""
_SUPPRESSED = """
    (SELECT s.id FROM audience_suppression s
     WHERE s.workspace_id = %(workspace)s AND s.email = chunk.email) IS NOT NULL
"""
_WITHDREW = """
    (SELECT r.id FROM audience_consentrecord r
     WHERE r.workspace_id = %(workspace)s AND r.email = chunk.email AND NOT r.granted
       AND r.channel = '{channel}' LIMIT 1) IS NOT NULL
"""
# Opts in new customers only. Of those that exist it locks the rows, also of those that stay as they are,
# and leaves their consent alone: what this statement sees of suppressions and withdrawals may be older
# than the row it waited for.
_UPSERT = """
    INSERT INTO audience_customer AS c (
        workspace_id, email, unmailable, external_id, name, phone, time_zone, language,
        subscribed, sms_subscribed, attributes, created_at, updated_at
    )
    SELECT %(workspace)s, email, unmailable, external_id, name, phone, time_zone, language,
        subscribed IS TRUE AND NOT ({suppressed}) AND NOT ({withdrew}),
        sms_subscribed IS TRUE AND NOT ({sms_withdrew}),
        attributes, %(now)s, %(now)s
    FROM chunk WHERE true ORDER BY email
    ON CONFLICT (workspace_id, email) DO UPDATE SET {assignments}, updated_at = excluded.updated_at
    WHERE {differs}
    RETURNING created_at = %(now)s
"""
# A later statement than the one that locked the rows, so it sees every withdrawal that came before.
_LOOK_UP = """
    UPDATE chunk SET
        (customer_id, is_new, is_subscribed, is_sms_subscribed) = (
            SELECT c.id, c.created_at = %(now)s, c.subscribed, c.sms_subscribed
            FROM audience_customer c WHERE c.workspace_id = %(workspace)s AND c.email = chunk.email
        ),
        suppressed = {suppressed}, withdrew = {withdrew}, sms_withdrew = {sms_withdrew}
"""
# Who is newly opted in: new customers that were stored so, and others that never withdrew. Who is
# newly opted out: whoever was opted in, or is not known to have said no before.
_CHANGES = """
    ({asked} AND CASE WHEN is_new THEN {current} ELSE NOT {current} AND NOT ({barred}) END
     OR NOT {asked} AND ({current} OR NOT {withdrew}))
"""
_RECORD = """
    INSERT INTO audience_consentrecord
        (workspace_id, customer_id, email, channel, granted, source, evidence, customer_import_id, actor_id)
    SELECT %(workspace)s, customer_id, email, '{channel}', {asked},
        %(source)s, %(evidence)s, %(import)s, %(actor)s
    FROM chunk WHERE {changes}
"""
_SET_FLAG = """
    UPDATE audience_customer SET {asked} = NOT {asked} WHERE id IN (
        SELECT customer_id FROM chunk WHERE {changes} AND {asked} <> {current}
    )
"""
_KEPT_OUT = """
    SELECT COALESCE(SUM(rows), 0) FROM chunk
    WHERE subscribed AND (suppressed OR withdrew AND NOT is_subscribed)
       OR sms_subscribed AND sms_withdrew AND NOT is_sms_subscribed
"""
_MERGED = {
    "postgresql": "c.attributes || excluded.attributes",
    "sqlite": "json_patch(c.attributes, excluded.attributes)",
}
# What each column of a customer who exists becomes: an empty cell says nothing.
_CHANGED = {
    "unmailable": "excluded.unmailable",
    **{field: f"COALESCE(NULLIF(excluded.{field}, ''), c.{field})" for field in CLEANERS},
}
_GUARDS = {
    "suppressed": _SUPPRESSED,
    "withdrew": _WITHDREW.format(channel="email"),
    "sms_withdrew": _WITHDREW.format(channel="sms"),
}
_CHANNELS = [
    {
        "channel": "email",
        "asked": "subscribed",
        "current": "is_subscribed",
        "barred": "suppressed OR withdrew",
        "withdrew": "withdrew",
    },
    {
        "channel": "sms",
        "asked": "sms_subscribed",
        "current": "is_sms_subscribed",
        "barred": "sms_withdrew",
        "withdrew": "sms_withdrew",
    },
]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from, as the evidence of consent says it; all rows are written as of `at`."""

    workspace_id: int
    source: ConsentRecord.Source
    evidence: str
    at: datetime
    import_id: int | None = None
    actor_id: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of different addresses, and the same as PostgreSQL's COPY takes them."""

    rows: Collection[Row]
    copied: str

    @classmethod
    def of(cls, rows: Collection[Row]) -> Batch:
        """Write rows down; an import does so while the database has another batch in hand."""
        copied = io.StringIO(newline="")
        if connection.vendor == "postgresql":
            csv.writer(copied, lineterminator="\n").writerows(rows)
        return cls(rows, copied.getvalue())


@dataclass(frozen=True, slots=True)
class Written:
    created: int = 0
    updated: int = 0
    kept_out: int = 0


def write_rows(origin: Origin, batch: Batch, *, asks: bool) -> Written:
    """Create or update one customer per row, within the caller's transaction.

    With `asks`, consent changes as the rows ask for, except that nobody who is suppressed or has ever
    withdrawn is opted in.
    """
    if not batch.rows:
        return Written()
    values: dict[str, Any] = {
        "workspace": origin.workspace_id,
        "source": origin.source.value,
        "import": origin.import_id,
        "actor": origin.actor_id,
        "evidence": origin.evidence[:MAX_EVIDENCE],
        "now": connection.ops.adapt_datetimefield_value(origin.at),
    }
    erasure.bring_back(origin.workspace_id, (row[0] for row in batch.rows))
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        _fill(cursor, batch)
        cursor.execute(_upsert(), values)
        created = cursor.fetchall().count((True,))
        kept_out = _write_consent(cursor, values) if asks else 0
        cursor.execute("DROP TABLE chunk")
    return Written(created, sum(row[-1] for row in batch.rows) - created, kept_out)


def _upsert() -> str:
    becomes = _CHANGED | {"attributes": _MERGED[connection.vendor]}
    return _UPSERT.format(
        assignments=", ".join(f"{column} = {value}" for column, value in becomes.items()),
        differs=" OR ".join(f"c.{column} <> {value}" for column, value in becomes.items()),
        **_GUARDS,
    )


def _fill(cursor: Any, batch: Batch) -> None:
    columns = ", ".join(ROW)
    if connection.vendor == "postgresql":
        # What is empty is NULL but in these. None holds a line break: they are single lines, or JSON.
        texts = ", ".join(("email", *CLEANERS, "attributes"))
        with cursor.copy(f"COPY chunk ({columns}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL ({texts}))") as copy:
            copy.write(batch.copied)
    else:
        places = ", ".join(["%s"] * len(ROW))
        cursor.executemany(f"INSERT INTO chunk ({columns}) VALUES ({places})", batch.rows)  # noqa: S608


def _write_consent(cursor: Any, values: dict[str, Any]) -> int:
    """Change consent and record each change; returns how many rows are of people who are kept out."""
    cursor.execute(_LOOK_UP.format(**_GUARDS), values)
    for names in _CHANNELS:
        changes = _CHANGES.format(**names)
        cursor.execute(_RECORD.format(changes=changes, **names), values)
        if cursor.rowcount:
            cursor.execute(_SET_FLAG.format(changes=changes, **names))
    cursor.execute(_KEPT_OUT)
    (kept_out,) = cursor.fetchone()
    return int(kept_out)
