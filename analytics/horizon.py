"""Up to where rows are complete: ids are handed out in order, but commit in any order.

A transaction that began earlier may commit a smaller id later. Whoever remembers the largest id that
he has seen would pass that row over for good.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, models
from django.db.models import Max
from django.utils import timezone

from audience.models import ConsentRecord, CustomerEvent
from delivery import sql
from delivery.models import Event, SendLog

WATCHED: tuple[type[models.Model], ...] = (Event, SendLog, ConsentRecord, CustomerEvent)
# Seconds that writers get to come to their end, and how often they are asked for.
PATIENCE, PAUSE = 3.0, 0.02
# What a statement that had begun, but not yet locked its table, may differ from our clock.
SLACK = timedelta(minutes=1)


@dataclass(frozen=True)
class Horizon:
    """The newest row of each watched table, and whether all rows before it are there to be read."""

    ids: dict[type[models.Model], int]
    at: datetime
    unsettled: frozenset[type[models.Model]]

    def is_settled(self, model: type[models.Model]) -> bool:
        return model not in self.unsettled


def look(patience: float = PATIENCE, pause: Callable[[float], object] = time.sleep) -> Horizon:
    """See how far each table reaches, and wait until everybody who was writing then has ended.

    What is read after it holds every row up to those ids that will ever be there. A table whose
    writers do not end in `patience` seconds is called unsettled; asking again later is harmless.
    Writers hold their table's lock from before they take an id until they end, so that nobody who has
    a smaller id can be missing among them. SQLite has one writer, and ids commit in order.
    """
    at = timezone.now() - SLACK
    ids = {model: model._base_manager.aggregate(last=Max("pk"))["last"] or 0 for model in WATCHED}
    waiting, deadline = _writers(), time.monotonic() + patience
    while waiting and time.monotonic() < deadline:
        pause(PAUSE)
        waiting &= _writers()
    tables = {table for table, _ in waiting}
    return Horizon(ids, at, frozenset(model for model in WATCHED if model._meta.db_table in tables))


def _writers() -> set[tuple[str, str]]:
    """Who else is writing to the watched tables, as (table, transaction)."""
    if not sql.is_postgresql():
        return set()
    tables = [model._meta.db_table for model in WATCHED]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname, l.virtualtransaction FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
            WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND c.oid = ANY(%s::regclass[]) AND l.mode = 'RowExclusiveLock' AND l.granted
              AND l.pid <> pg_backend_pid()""",
            [tables],
        )
        return set(cursor.fetchall())
