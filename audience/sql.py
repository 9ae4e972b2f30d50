"""The two dialects of set-based statements: PostgreSQL's and SQLite's.

Rows go in as one JSON parameter and are joined like a table; moments come from the database's
clock, never a worker's, since leases are compared across hosts.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audience import clock

_SQLITE_NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'{})"


@enum.unique
class Lock(enum.IntEnum):
    """What transactions take turns at: the first key of PostgreSQL's advisory locks. The second says of which
    workspace, or of which campaign.
    """

    REFUSALS = 7362
    FILLING = 7363
    JUDGING = 7364
    EVENTS = 7365
    CAPS = 7366


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def now() -> str:
    """SQL for this moment by the database's clock: when the statement began, so that indexes can be asked.

    While a moment is set (audience.clock), it is that one.
    """
    if (fixed := clock.moment_set()) is not None:
        return _literal(fixed)
    return "statement_timestamp()" if is_postgresql() else _SQLITE_NOW.format("")


def in_seconds(seconds: int) -> str:
    """SQL for the moment so many seconds from now by the database's clock."""
    if (fixed := clock.moment_set()) is not None:
        return _literal(fixed + timedelta(seconds=seconds))
    if is_postgresql():
        return f"statement_timestamp() + interval '{seconds:d} seconds'"
    return _SQLITE_NOW.format(f", '{seconds:+d} seconds'")


def skip_locked(of: str = "") -> str:
    """SQL that takes only rows no other worker is taking. SQLite has one writer and needs none."""
    return f"FOR UPDATE {f'OF {of} ' if of else ''}SKIP LOCKED" if is_postgresql() else ""


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


def materialised() -> str:
    """SQL that keeps PostgreSQL from mixing a WITH into the statement that follows. SQLite needs none."""
    return "MATERIALIZED" if is_postgresql() else ""


def plan_plainly() -> None:
    """Keep PostgreSQL from compiling the statements of this transaction, which takes longer than they do.

    It expects many rows of a table that is a parameter, and many costs.
    """
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit = off")


def ids() -> str:
    """SQL that selects the ids in one JSON parameter (see json.dumps), to be said in IN (...)."""
    if is_postgresql():
        return "SELECT value::bigint FROM jsonb_array_elements_text(%s::jsonb) AS r(value)"
    return "SELECT value FROM json_each(%s)"


def concatenated(first: str, second: str) -> str:
    """SQL for two JSON arrays as one."""
    if is_postgresql():
        return f"{first} || {second}"
    both = f"SELECT value FROM json_each({first}) UNION ALL SELECT value FROM json_each({second})"  # noqa: S608
    return f"(SELECT json_group_array(json(value)) FROM ({both}))"  # noqa: S608 - names of ours


def moment(at: datetime) -> Any:
    """A moment as this database's driver wants it, since raw parameters pass no model field."""
    return connection.ops.adapt_datetimefield_value(at)


def as_moment(stored: Any) -> datetime:
    """A moment as a raw statement has found it."""
    at = stored if isinstance(stored, datetime) else datetime.fromisoformat(stored)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _literal(at: datetime) -> str:
    written = str(moment(at))
    return f"'{written}'::timestamptz" if is_postgresql() else f"'{written}'"


def try_lock(lock: Lock, number: int = 0) -> bool:
    """Take a lock until the end of the transaction; False when another has it.

    Saves work done twice; nothing may depend on it. SQLite has one writer and needs none.
    """
    return not is_postgresql() or _lock("pg_try_advisory_xact_lock", lock, number)


def wait_for_lock(lock: Lock, number: int = 0, *, shared: bool = False) -> None:
    """Take a lock until the end of the transaction, when its turn comes; any number share one at once.

    SQLite has one writer and needs none.
    """
    if is_postgresql():
        _lock(f"pg_advisory_xact_lock{'_shared' if shared else ''}", lock, number)


def _lock(function: str, lock: Lock, number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [lock, number])
        return bool(cursor.fetchone()[0])
