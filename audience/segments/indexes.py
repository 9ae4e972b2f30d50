"""Segments: the indexes that keep rules about attributes quick over millions of customers.

An attribute is a key of a JSON column, and an index on it has to name the key. So there is one index
for each attribute that a saved segment asks about, made and dropped as segments come and go. They are
PostgreSQL's only: a list that SQLite is right for is read as a whole in no time.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection

from audience.models import Attribute, Customer, Segment, Workspace
from audience.segments.sql import index_expression

logger = logging.getLogger(__name__)

TABLE = Customer._meta.db_table
PREFIX = "segment_"
FIELD = "attributes."
# Each index costs every write of a customer some microseconds; the attributes asked for most get one.
MOST = 20
# PostgreSQL's advisory lock of this module: any number that nobody else uses.
LOCK = 0x5E67
# What is in the way may be a backup of hours: the next run tries again.
PATIENCE = "10s"


def keep_indexes() -> list[str]:
    """Make the indexes that saved segments need and drop those that none needs; what was made.

    Takes seconds for each million of customers, who can be read and written meanwhile. May be repeated
    and run by several processes at once: one does it, the others do nothing. An index whose making was
    cut short is made anew. Must not be called in a transaction.
    """
    if connection.vendor != "postgresql":
        return []
    wanted = _wanted()
    with _alone() as alone:
        if not alone:
            return []
        valid = _existing()
        for name in valid:
            if name not in wanted or not valid[name]:
                _run(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        missing = [name for name in wanted if not valid.get(name)]
        made = [name for name in missing if _make(name, wanted[name])]
        if made:
            # The planner knows nothing of an expression until it has been analysed.
            _run(f"ANALYZE {TABLE}")
    return made


def indexed_attributes(workspace: Workspace, type: str) -> list[str]:
    """The attributes of a type whose values are found quickly; on SQLite all of them. Two queries at most."""
    known = Attribute.objects.of(workspace).filter(type=type).values_list("name", flat=True)
    if connection.vendor != "postgresql" or not known:
        return list(known)
    existing = _existing()
    return [name for name in known if existing.get(_name(name, type))]


def _wanted() -> dict[str, str]:
    """Name -> expression of the index of each attribute that segments ask about, the most asked first."""
    asked: Counter[tuple[int, str]] = Counter()
    for workspace_id, criteria in Segment.objects.values_list("workspace_id", "criteria").iterator():
        asked.update({(workspace_id, name) for name in _attributes_in(criteria)})
    uses: Counter[tuple[str, str]] = Counter()
    for workspace_id, name, type_ in Attribute.objects.values_list("workspace_id", "name", "type").iterator():
        uses[name, type_] += asked[workspace_id, name]
    first = sorted((-count, key) for key, count in uses.items() if count)[:MOST]
    return {_name(*key): index_expression(*key) for _, key in first}


def _attributes_in(node: Any) -> Iterator[str]:
    """The attributes that a tree of criteria names, whether it is valid or not."""
    if isinstance(node, dict):
        field = node.get("field")
        if isinstance(field, str) and field.startswith(FIELD):
            yield field.removeprefix(FIELD)
        for inner in node.values():
            yield from _attributes_in(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _attributes_in(inner)


def _name(attribute: str, type_: str) -> str:
    """At most 63 characters, PostgreSQL's limit, and different for each attribute."""
    digest = hashlib.blake2b(attribute.encode(), digest_size=4).hexdigest()
    return f"{PREFIX}{type_}_{attribute[:36]}_{digest}"


def _existing() -> dict[str, bool]:
    """The indexes that were made here, and whether each is whole."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indrelid = %s::regclass AND starts_with(c.relname, %s)",
            [TABLE, PREFIX],
        )
        return dict(cursor.fetchall())


def _make(name: str, expression: str) -> bool:
    # Not a partial one, though many customers may lack the attribute: the planner learns nothing from those.
    try:
        _run(f"CREATE INDEX CONCURRENTLY {name} ON {TABLE} (workspace_id, ({expression}))")
    except OperationalError:
        logger.warning("The index %s could not be made now; the next run tries again.", name, exc_info=True)
        return False
    return True


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other process is at it; none begins until this block ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        (alone,) = cursor.fetchone()
        if not alone:
            yield False
            return
        cursor.execute(f"SET lock_timeout = '{PATIENCE}'")
        try:
            yield True
        finally:
            cursor.execute("RESET lock_timeout")
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
