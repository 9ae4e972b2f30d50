"""Counting the ledger, a block of ids at a time, each block as a whole.

A block whose rows have all come to their end is never counted again. The others are when the sums of
one of their campaigns have moved (delivery.progress moves them with the rows). Counting replaces what
was counted before, so that it may be repeated at will.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.db import connection
from django.db.models.functions import Now

from analytics import goals, state
from analytics.dialect import codes, hour
from analytics.horizon import Horizon
from analytics.models import BLOCK, WAITING, LedgerCount, LedgerHour, LedgerSum
from delivery import sql
from delivery.models import SendLog

Status = SendLog.Status
# A row in one of these may still move.
UNENDED = (WAITING, Status.UNKNOWN.value)
# Counting a campaign that is on its way may take a twentieth of the time.
REST = 20


def count(horizon: Horizon) -> None:
    """Count new ledger rows, and the blocks of campaigns whose rows have moved.

    Commits by itself, block by block; may be repeated, and stopped at any moment. Versions are read
    first: rows that move while they are counted have given their campaign another one by the next time.
    """
    changed = _changed_campaigns()
    counted, last = state.current(), horizon.ids[SendLog]
    new = (
        SendLog.objects.filter(id__gt=counted.sendlog_id).order_by("id").values_list("id", flat=True).first()
    )
    if new is not None:
        count_blocks(range(new // BLOCK, last // BLOCK + 1))
    for campaign_id, version in changed.items():
        _count_again(campaign_id, version)
    if horizon.is_settled(SendLog):
        with state.held() as counted:
            counted.sendlog_id = max(counted.sendlog_id, last)
            counted.save(update_fields=["sendlog_id"])


def begin_anew() -> None:
    """Forget everything. Inside state.held(); count() then fills it."""
    for model in (LedgerSum, LedgerHour, LedgerCount):
        model.objects.all().delete()


def count_blocks(blocks: Iterable[int]) -> None:
    """Replace what is counted of each of these blocks."""
    for block in blocks:
        with state.held(), connection.cursor() as cursor:
            for table, statement in (("ledgersum", _sums()), ("ledgerhour", _hours())):
                cursor.execute(f"DELETE FROM analytics_{table} WHERE block = %s", [block])  # noqa: S608
                cursor.execute(statement, [block, block * BLOCK, (block + 1) * BLOCK])
            goals.recount_range(block * BLOCK, (block + 1) * BLOCK)


def _count_again(campaign_id: int, version: str) -> None:
    begun = time.monotonic()
    rows = LedgerSum.objects.filter(campaign=campaign_id, status__in=UNENDED)
    count_blocks(rows.order_by("block").values_list("block", flat=True).distinct())
    LedgerCount.objects.update_or_create(
        campaign_id=campaign_id,
        defaults={"version": version, "at": Now(), "took": time.monotonic() - begun},
    )


def _changed_campaigns() -> dict[int, str]:
    """Campaigns with unended rows that have moved since they were counted, and the version they have now.

    PostgreSQL says of each row by which transaction it was written. SQLite does not: there every
    campaign with unended rows is counted each time.
    """
    version, is_news = "''", "true"
    if sql.is_postgresql():
        version = "CAST(p.xmin AS text)"
        is_news = f"k.version <> {version} AND k.at + {REST} * k.took * interval '1 second' <= {sql.now()}"
    unended = ", ".join(f"'{status}'" for status in UNENDED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT p.campaign_id, {version} FROM delivery_progress p
                LEFT JOIN analytics_ledgercount k ON k.campaign_id = p.campaign_id
                WHERE (k.campaign_id IS NULL OR {is_news})
                  AND EXISTS (SELECT 1 FROM analytics_ledgersum s
                              WHERE s.campaign_id = p.campaign_id AND s.status IN ({unended}))
                ORDER BY p.campaign_id"""  # noqa: S608 - constants of ours
        )
        return dict(cursor.fetchall())


# --- The statements, of a block and the ids it begins and ends with --------------------------------


def _sums() -> str:
    waits = f"status IN ('{Status.QUEUED}', '{Status.SENDING}')"
    key = "campaign_id, step, sender_id, mailbox_provider, status, reason, code"
    return f"""
        INSERT INTO analytics_ledgersum (block, {key}, mails)
        SELECT CAST(%s AS integer), {key}, count(*)
        FROM (SELECT campaign_id, step,
                CASE WHEN {waits} THEN 0 ELSE sender_id END AS sender_id,
                CASE WHEN {waits} THEN '' ELSE mailbox_provider END AS mailbox_provider,
                CASE WHEN {waits} THEN '{WAITING}' ELSE status END AS status,
                CASE WHEN {waits} THEN '' ELSE reason END AS reason,
                CASE WHEN status = '{Status.FAILED}' THEN {codes("error")} ELSE '' END AS code
              FROM delivery_sendlog WHERE id >= %s AND id < %s) AS mail
        GROUP BY {key}"""  # noqa: S608 - constants of ours


def _hours() -> str:
    return f"""
        INSERT INTO analytics_ledgerhour (block, campaign_id, step, hour, mails)
        SELECT CAST(%s AS integer), campaign_id, step, hour, count(*)
        FROM (SELECT campaign_id, step, {hour("sent_at")} AS hour FROM delivery_sendlog
              WHERE id >= %s AND id < %s AND status = '{Status.SENT}' AND sent_at IS NOT NULL) AS mail
        GROUP BY campaign_id, step, hour"""  # noqa: S608 - constants of ours
