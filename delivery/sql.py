"""The two dialects of the pipeline's set-based statements: PostgreSQL's and SQLite's.

Rows go in as one JSON parameter and are joined like a table; moments come from the database's
clock, never a worker's, since leases are compared across hosts.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

_SQLITE_NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'{})"


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def now() -> str:
    """SQL for this moment by the database's clock: when the statement began, so that indexes can be asked."""
    return "statement_timestamp()" if is_postgresql() else _SQLITE_NOW.format("")


def in_seconds(seconds: int) -> str:
    """SQL for the moment so many seconds from now by the database's clock."""
    if is_postgresql():
        return f"statement_timestamp() + interval '{seconds:d} seconds'"
    return _SQLITE_NOW.format(f", '{seconds:+d} seconds'")


def skip_locked() -> str:
    """SQL that takes only rows no other worker is taking. SQLite has one writer and needs none."""
    return "FOR UPDATE SKIP LOCKED" if is_postgresql() else ""


def is_queued(row: str) -> str:
    """SQL for whether the ledger row of this alias is queued, in the words of the index sendlog_open.

    SQLite uses a partial index only where its whole condition is repeated.
    """
    return f"{row}.status IN ('queued', 'sending') AND {row}.status = 'queued'"


class Lock(enum.IntEnum):
    """What workers take turns at: the first key of PostgreSQL's advisory locks, apart from all others."""

    FILLING = 7363
    JUDGING = 7364


def try_lock(lock: Lock, number: int = 0) -> bool:
    """Take a lock until the end of the transaction; False when another worker has it.

    Saves work done twice; nothing may depend on it. SQLite has one sender and needs none.
    """
    if not is_postgresql():
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [lock, number])
        return bool(cursor.fetchone()[0])


def wait_for_lock(lock: Lock, number: int = 0) -> None:
    """Take a lock until the end of the transaction, when its turn comes. SQLite has one writer."""
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [lock, number])


def table(columns: Mapping[str, str]) -> str:
    """SQL for a table read from one JSON parameter (see rows): name -> PostgreSQL type."""
    if is_postgresql():
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"(SELECT * FROM jsonb_to_recordset(%s::jsonb) AS r({typed}))"  # noqa: S608 - names of ours
    picked = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"(SELECT {picked} FROM json_each(%s))"  # noqa: S608 - names of ours


def rows(values: Iterable[Mapping[str, Any]]) -> str:
    """The JSON parameter that goes with table(); moments in it are made by moment()."""
    return json.dumps(list(values), default=str)


def moment(at: datetime) -> Any:
    """A moment as this database's driver wants it, since raw parameters pass no model field."""
    return connection.ops.adapt_datetimefield_value(at)


def appended_history(new: str, *, by: str = "") -> str:
    """SQL for delivery_sendlog.history with the state of the table `new` added at its end.

    `new` has the columns status, reason and error; `by` is the column with the name of who chose it.
    """
    build = "jsonb_build_object" if is_postgresql() else "json_object"
    chosen = f", 'by', {by}" if by else ""
    item = (
        f"{build}('at', {now()}, 'attempts', attempts, 'status', {new}.status,"
        f" 'reason', {new}.reason, 'error', {new}.error{chosen})"
    )
    return f"history || {item}" if is_postgresql() else f"json_insert(history, '$[#]', {item})"
