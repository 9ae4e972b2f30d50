"""Mending what a dead worker, a lost host or an ended campaign left behind.

Every function may run at any moment, on any host, twice at once: each is a conditional UPDATE.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import F

from campaigns.models import Campaign
from delivery import flow_mails, journal, progress, sql, unknown
from delivery.claim import Claim
from delivery.models import Progress, SendLog
from delivery.settle import Settlement, from_answer, settle

logger = logging.getLogger(__name__)

Status = SendLog.Status
Reason = SendLog.Reason
# Ledger rows moved in one transaction.
CHUNK = 10_000
# Workers that a mail may stop while it is built.
MAX_CRASHES = 5


def recover() -> None:
    """Settle what workers of this host had in hand when they died, by their journals.

    Mails that never left are queued again, answered ones settled, and those in doubt become `unknown`.
    A row that the lease sweep has already called unknown is corrected. The row whose mail was being
    built has killed the worker, perhaps; one that is suspected for the fifth time fails as poison.
    """
    for remains in journal.left_behind():
        settlements = _from_answers(remains) + _untouched(remains)
        settle(settlements + _lost(remains.in_doubt), remains.worker)
        unknown.correct(settlements, remains.worker)
        logger.warning("journal recovered", extra={"journal": remains.path.name, "rows": len(remains.fences)})


def _from_answers(remains: journal.Remains) -> list[Settlement]:
    attempts = dict(SendLog.objects.filter(id__in=remains.answers).values_list("id", "attempts"))
    return [
        from_answer(answer, remains.fences[row_id], attempts[row_id])
        for row_id, answer in remains.answers.items()
        if row_id in attempts
    ]


def _untouched(remains: journal.Remains) -> list[Settlement]:
    poison = remains.suspect if _crashed(remains.suspect, remains.worker) >= MAX_CRASHES else None
    return [
        Settlement(*claim, Status.FAILED, Reason.POISON, f"It stopped its worker {MAX_CRASHES} times.")
        if claim == poison
        else Settlement(*claim, Status.QUEUED, given_back=1)
        for claim in remains.untouched
    ]


def _crashed(suspect: Claim | None, worker: str) -> int:
    """Count one more crash on the row, if it is still the dead worker's; how many it has now."""
    if suspect is None:
        return 0
    row = SendLog.objects.filter(pk=suspect.row_id, fence=suspect.fence, worker=worker)
    row.update(crashes=F("crashes") + 1)
    return row.values_list("crashes", flat=True).first() or 0


def _lost(claims: Iterable[Claim]) -> list[Settlement]:
    return [Settlement(c.row_id, c.fence, Status.UNKNOWN, Reason.LOST) for c in claims]


def expire_leases() -> None:
    """Take rows from workers whose lease has ended.

    They may have been accepted: they become `unknown` and are never sent again by themselves. Whose they
    were stays on the row, for that worker, or its journal, to correct.
    """
    statement = f"""
        UPDATE delivery_sendlog
        SET status = r.status, reason = r.reason, history = {sql.appended_history("r")}
        FROM (SELECT 'unknown' AS status, 'lost' AS reason, '' AS error) AS r
        WHERE delivery_sendlog.status = 'sending' AND lease_until < {sql.now()}
        RETURNING campaign_id, {flow_mails.ENDED}"""  # noqa: S608 - constants of ours
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [])
        lost = cursor.fetchall()
        progress.count((campaign_id, Status.UNKNOWN) for campaign_id, *_ in lost)
        flow_mails.end(row for _, *row in lost)
    if lost:
        logger.warning("leases ended during the hand-over", extra={"unknown": len(lost)})


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
    """Cancel queued rows, unless the campaign was reopened meanwhile (delivery.unknown)."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE delivery_sendlog SET status = 'cancelled', reason = 'ended'
            WHERE id IN (SELECT id FROM delivery_sendlog
                         WHERE campaign_id = %s AND status = 'queued'
                         ORDER BY id LIMIT {CHUNK} {sql.skip_locked()})
              AND status = 'queued'
              AND EXISTS (SELECT 1 FROM campaigns_campaign
                          WHERE id = %s AND status IN ('completed', 'failed', 'cancelled'))
            RETURNING campaign_id, status""",  # noqa: S608
            [campaign_id, campaign_id],
        )
        cancelled = cursor.fetchall()
        progress.count(cancelled)
    return len(cancelled)
