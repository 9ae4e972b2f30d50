"""Stages 4 and 5 of the pipeline: take a batch of due rows, and let those through that may go.

Between the two a row is `claimed`: it belongs to one worker until its lease ends, and may be
queued again without harm, since nothing has left. The gate's commit of `sending` is the point of no
return: from then on the row is never queued again without proof that nothing was accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction

from audience.mailable import refusal_sql
from campaigns.models import Campaign, Sender
from delivery import progress, sql


@dataclass(frozen=True, slots=True)
class Claim:
    """A ledger row in a worker's hands; writes that carry an older fence change nothing."""

    row_id: int
    fence: int


def claim(campaign: Campaign, worker: str, limit: int) -> list[Claim]:
    """Take up to `limit` due rows of the campaign for a worker, oldest due first.

    Guards that the campaign is active and the rows' senders are usable, in the statement itself.
    Commits status, fence and lease. May be repeated by any number of workers: no row is taken twice.
    """
    usable = ", ".join(f"'{state}'" for state in Sender.USABLE)
    statement = f"""
        WITH due AS MATERIALIZED (
            SELECT id FROM delivery_sendlog
            WHERE campaign_id = %s AND status = 'queued' AND due_at <= {sql.now()}
              AND EXISTS (SELECT 1 FROM campaigns_campaign WHERE id = %s AND status = 'active')
              AND sender_id IN (SELECT id FROM campaigns_sender WHERE state IN ({usable}))
            ORDER BY due_at, id LIMIT %s {sql.skip_locked()})
        UPDATE delivery_sendlog
        SET status = 'claimed', worker = %s, fence = fence + 1,
            lease_until = {sql.in_seconds(settings.SEND_LEASE_SECONDS)}
        WHERE id IN (SELECT id FROM due) AND status = 'queued'
        RETURNING id, fence"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [campaign.pk, campaign.pk, limit, worker])
        return [Claim(*row) for row in cursor.fetchall()]


def gate(claims: Sequence[Claim]) -> list[Claim]:
    """Let those claimed rows through to `sending` that may be mailed at this moment; return them.

    Guards, in the statement that commits: the worker still holds the row, the campaign is active, the
    customer exists, is opted in and is not suppressed. A refused row becomes `suppressed` with its
    reason, a row of a paused campaign `queued` again. Counts the attempt before the network is
    touched. The row takes over the customer's address as it is now.
    """
    statement = f"""
        UPDATE delivery_sendlog
        SET status = verdict.status, reason = verdict.reason, email = verdict.email,
            attempts = attempts + CASE WHEN verdict.status = 'sending' THEN 1 ELSE 0 END,
            lease_until = CASE WHEN verdict.status = 'sending'
                THEN {sql.in_seconds(settings.SEND_LEASE_SECONDS)} END
        FROM (
            SELECT l.id, l.fence,
                CASE WHEN c.status <> 'active' THEN 'queued'
                     WHEN p.id IS NULL OR {refusal_sql("p", "s")} <> '' THEN 'suppressed'
                     ELSE 'sending' END AS status,
                CASE WHEN c.status <> 'active' THEN l.reason
                     WHEN p.id IS NULL THEN 'deleted' ELSE {refusal_sql("p", "s")} END AS reason,
                COALESCE(p.email, l.email) AS email
            FROM {sql.table({"id": "bigint", "fence": "integer"})} mine
            JOIN delivery_sendlog l ON l.id = mine.id AND l.fence = mine.fence
            JOIN campaigns_campaign c ON c.id = l.campaign_id
            LEFT JOIN audience_customer p ON p.id = l.customer_id AND p.workspace_id = l.workspace_id
            LEFT JOIN audience_suppression s ON s.workspace_id = p.workspace_id AND s.email = p.email
            WHERE l.status = 'claimed') AS verdict
        WHERE delivery_sendlog.id = verdict.id AND delivery_sendlog.fence = verdict.fence
          AND delivery_sendlog.status = 'claimed'
        RETURNING delivery_sendlog.id, delivery_sendlog.fence, campaign_id, delivery_sendlog.status"""  # noqa: S608
    mine = sql.rows({"id": claim.row_id, "fence": claim.fence} for claim in claims)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [mine])
        decided = cursor.fetchall()
        progress.count((campaign_id, status) for _, _, campaign_id, status in decided)
    return [Claim(row_id, fence) for row_id, fence, _, status in decided if status == "sending"]
