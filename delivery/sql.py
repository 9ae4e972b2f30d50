"""What the ledger's statements say in SQL, beside the dialects of audience.sql."""

from __future__ import annotations

import enum

from django.db import connection

from audience.sql import in_seconds, is_postgresql, moment, now, rows, skip_locked, table

__all__ = [
    "Lock",
    "appended_history",
    "in_seconds",
    "is_postgresql",
    "is_queued",
    "moment",
    "now",
    "rows",
    "skip_locked",
    "table",
    "try_lock",
]


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
