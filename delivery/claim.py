"""Stages 4 and 5 of the pipeline, in one transaction: take due rows and let those through that may go.

The rows are locked, noted in the worker's journal, and judged by the statement that writes `sending`:
its commit is the point of no return. From then on a row is never queued again without proof that
nothing was accepted. A worker that dies before the commit has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction

from audience import refusals
from audience.mailable import refusal_sql
from audience.mailbox_providers import mailbox_provider_sql
from campaigns.models import Sender
from delivery import progress, sql
from delivery.lanes import Lane


class Claim(NamedTuple):
    """A ledger row in a worker's hands; writes that carry an older fence change nothing."""

    row_id: int
    fence: int


class Passed(NamedTuple):
    """A row that passed the gate: it is `sending`, and the attempt is counted."""

    row_id: int
    fence: int
    attempts: int
    crashes: int
    customer_id: int
    email: str

    @property
    def claim(self) -> Claim:
        return Claim(self.row_id, self.fence)


# Told which rows are about to pass the gate; says how many of them, from the first on, may.
Admit = Callable[[Sequence[Claim]], int]


def claim(lane: Lane, provider: str, worker: str, limit: int, admit: Admit) -> tuple[list[Passed], int]:
    """Take up to `limit` due rows of the lane; those that passed the gate, and how many were looked at.

    Guards, in the statement that commits: the row is queued and nobody else's, its campaign active,
    its sender usable and not resting, the customer exists, is opted in and is not suppressed at this
    moment. A refused row becomes `suppressed` with its reason. Counts the attempt before the network
    is touched. The row takes over the customer's address as it is now. May be called by any number of
    workers at once: no row is taken twice. Fewer rows looked at than `limit`: no more are due.
    """
    with transaction.atomic():
        refusals.hold(lane.campaign.workspace_id)
        due = _lock_due(lane, provider, limit)
        admitted = due[: admit([Claim(row.id, row.fence) for row in due])] if due else []
        return (_gate(lane, admitted, worker) if admitted else []), len(due)


class _Due(NamedTuple):
    """A due row, locked, with the fence that the gate will give it."""

    id: int
    fence: int
    customer_id: int
    email: str


_COLUMNS = {"id": "bigint", "fence": "integer", "customer_id": "bigint", "email": "text"}


def _lock_due(lane: Lane, provider: str, limit: int) -> list[_Due]:
    """Lock due rows, oldest due first."""
    usable = ", ".join(f"'{state}'" for state in Sender.USABLE)
    statement = f"""
        SELECT id, fence + 1, customer_id, email FROM delivery_sendlog l
        WHERE campaign_id = %s AND sender_id = %s AND mailbox_provider = %s AND {sql.is_queued("l")}
          AND due_at <= {sql.now()}
          AND EXISTS (SELECT 1 FROM campaigns_campaign WHERE id = %s AND status = 'active')
          AND EXISTS (SELECT 1 FROM campaigns_sender WHERE id = %s AND state IN ({usable}))
          AND (%s OR NOT EXISTS (SELECT 1 FROM delivery_circuit
                                 WHERE sender_id = %s AND retry_at > {sql.now()}))
        ORDER BY due_at, id LIMIT %s {sql.skip_locked()}"""  # noqa: S608 - constants of ours
    campaign, sender = lane.campaign.pk, lane.sender.pk
    with connection.cursor() as cursor:
        cursor.execute(
            statement, [campaign, sender, provider, campaign, sender, lane.on_probation, sender, limit]
        )
        return [_Due(*row) for row in cursor.fetchall()]


def _gate(lane: Lane, due: Sequence[_Due], worker: str) -> list[Passed]:
    """Judge the locked rows. They are queued and the caller's: only the campaign is looked at again."""
    statement = f"""
        UPDATE delivery_sendlog
        SET status = verdict.status, reason = verdict.reason, email = verdict.email,
            mailbox_provider = {mailbox_provider_sql("verdict.email")}, worker = %s, fence = verdict.fence,
            attempts = attempts + CASE WHEN verdict.status = 'sending' THEN 1 ELSE 0 END,
            lease_until = CASE WHEN verdict.status = 'sending'
                THEN {sql.in_seconds(settings.SEND_LEASE_SECONDS)} END
        FROM (
            SELECT mine.id, mine.fence, COALESCE(p.email, mine.email) AS email,
                CASE WHEN p.id IS NULL OR {refusal_sql("p", "s")} <> '' THEN 'suppressed'
                     ELSE 'sending' END AS status,
                CASE WHEN p.id IS NULL THEN 'deleted' ELSE {refusal_sql("p", "s")} END AS reason
            FROM {sql.table(_COLUMNS)} mine
            JOIN campaigns_campaign c ON c.id = %s AND c.status = 'active'
            LEFT JOIN audience_customer p ON p.id = mine.customer_id AND p.workspace_id = c.workspace_id
            LEFT JOIN audience_suppression s ON s.workspace_id = p.workspace_id AND s.email = p.email
        ) AS verdict
        WHERE delivery_sendlog.id = verdict.id
        RETURNING delivery_sendlog.id, delivery_sendlog.fence, attempts, crashes, customer_id,
            delivery_sendlog.email, delivery_sendlog.status"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [worker, sql.rows(row._asdict() for row in due), lane.campaign.pk])
        decided = cursor.fetchall()
    progress.count((lane.campaign.pk, status) for *_, status in decided)
    return [Passed(*row) for *row, status in decided if status == "sending"]
