"""Mending what a dead worker, a lost host or an ended campaign left behind.

Every function may run at any moment, on any host, twice at once: each is a conditional UPDATE.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import F

from campaigns.models import Campaign
from delivery import journal, progress, sql
from delivery.claim import Claim
from delivery.models import Progress, SendLog
from delivery.settle import Settlement, from_answer, settle

logger = logging.getLogger(__name__)

Status = SendLog.Status
Reason = SendLog.Reason
# Ledger rows moved in one transaction.
CHUNK = 10_000


def recover() -> None:
    """Settle what workers of this host had in hand when they died, by their journals.

    Hand-overs that never began are queued again, answered ones settled, and those in doubt become
    `unknown`. A row that the lease sweep has already called unknown is corrected.
    """
    for remains in journal.left_behind():
        settlements = _from_answers(remains) + _untouched(remains.untouched)
        settle(settlements + _lost(remains.in_doubt))
        settle(settlements, known_as=Status.UNKNOWN)
        settle(_untouched(remains.untouched), known_as=Status.CLAIMED)
        logger.warning("journal recovered: %s, rows=%d", remains.path.name, len(remains.fences))


def _from_answers(remains: journal.Remains) -> list[Settlement]:
    attempts = dict(SendLog.objects.filter(id__in=remains.answers).values_list("id", "attempts"))
    return [
        from_answer(answer, remains.fences[row_id], attempts[row_id])
        for row_id, answer in remains.answers.items()
        if row_id in attempts
    ]


def _untouched(claims: Iterable[Claim]) -> list[Settlement]:
    return [Settlement(c.row_id, c.fence, Status.QUEUED, given_back=1) for c in claims]


def _lost(claims: Iterable[Claim]) -> list[Settlement]:
    return [Settlement(c.row_id, c.fence, Status.UNKNOWN, Reason.LOST) for c in claims]


def expire_leases() -> None:
    """Take rows from workers whose lease has ended.

    A `claimed` row is queued again, since nothing of it has left. A `sending` row may have been
    accepted: it becomes `unknown` and is never sent again by itself.
    """
    expired = f"lease_until < {sql.now()}"
    queue_again = f"""
        UPDATE delivery_sendlog SET status = 'queued', worker = '', lease_until = NULL
        WHERE status = 'claimed' AND {expired}"""  # noqa: S608 - constants of ours
    call_unknown = f"""
        UPDATE delivery_sendlog
        SET status = r.status, reason = r.reason, worker = '', lease_until = NULL,
            history = {sql.appended_history("r")}
        FROM (SELECT 'unknown' AS status, 'lost' AS reason, '' AS error) AS r
        WHERE delivery_sendlog.status = 'sending' AND {expired}
        RETURNING campaign_id, delivery_sendlog.status"""  # noqa: S608 - constants of ours
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(queue_again, [])
        cursor.execute(call_unknown, [])
        lost = cursor.fetchall()
        progress.count(lost)
    if lost:
        logger.warning("leases expired in mid-hand-over: rows=%d, now unknown", len(lost))


def cancel_rows_of_ended_campaigns() -> None:
    """Give the rows that an ended campaign never came to their end and its reason."""
    ended = [Campaign.Status.COMPLETED, Campaign.Status.FAILED, Campaign.Status.CANCELLED]
    unfinished = Progress.objects.filter(campaign__status__in=ended).filter(
        matched__gt=F("sent") + F("failed") + F("suppressed") + F("cancelled") + F("unknown")
    )
    for campaign_id in unfinished.values_list("campaign_id", flat=True):
        while _cancel_chunk(campaign_id) == CHUNK:
            pass


def _cancel_chunk(campaign_id: int) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE delivery_sendlog SET status = 'cancelled', reason = 'ended'
            WHERE id IN (SELECT id FROM delivery_sendlog
                         WHERE campaign_id = %s AND status = 'queued'
                         ORDER BY id LIMIT {CHUNK} {sql.skip_locked()})
              AND status = 'queued'
            RETURNING campaign_id, status""",  # noqa: S608
            [campaign_id],
        )
        cancelled = cursor.fetchall()
        progress.count(cancelled)
    return len(cancelled)
