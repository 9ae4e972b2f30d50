"""Where reports of providers wait and are kept: what each worker looks at, without the means to read them."""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from delivery import sql
from delivery.models import Inbound

# Reports removed in one statement.
PRUNED = 5_000


def is_waiting() -> bool:
    """Whether there is a report to be acted on."""
    return Inbound.objects.filter(processed_at=None, due_at__lte=Now()).exists()


def prune() -> int:
    """Remove processed reports that are older than REPORTS_KEEP_DAYS, some at a time; how many.

    The newest of each sender stays, to say when it last reported. May be repeated.
    """
    old = sql.in_seconds(-settings.REPORTS_KEEP_DAYS * 86_400)
    statement = f"""
        DELETE FROM delivery_inbound WHERE id IN (
            SELECT i.id FROM delivery_inbound i
            WHERE i.received_at < {old} AND i.processed_at IS NOT NULL
              AND EXISTS (SELECT 1 FROM delivery_inbound n WHERE n.sender_id = i.sender_id AND n.id > i.id)
            ORDER BY i.received_at LIMIT {PRUNED})"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [])
        return int(cursor.rowcount)
