"""What the ledger's statements say in SQL, beside the dialects of audience.sql."""

from __future__ import annotations

from audience.sql import (
    Lock,
    in_seconds,
    is_postgresql,
    moment,
    now,
    rows,
    skip_locked,
    table,
    try_lock,
    wait_for_lock,
)

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
    "wait_for_lock",
]


def is_queued(row: str) -> str:
    """SQL for whether the ledger row of this alias is queued, in the words of the index sendlog_open.

    SQLite uses a partial index only where its whole condition is repeated.
    """
    return f"{row}.status IN ('queued', 'sending') AND {row}.status = 'queued'"


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
