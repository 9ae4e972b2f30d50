"""Stages 4 and 5 of the pipeline, in one transaction: take due rows and let those through that may go.

The rows are locked, noted in the worker's journal, and judged by the statement that writes `sending`:
its commit is the point of no return. From then on a row is never queued again without proof that
nothing was accepted. A worker that dies before the commit has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction

from audience import refusals
from audience.mailable import refusal_sql
from audience.mailbox_providers import mailbox_provider_sql
from audience.models import ContactPolicy
from campaigns.models import Sender
from delivery import flow_mails, policy, progress, sql
from delivery.lanes import Lane
from delivery.policy import Due, Verdict


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
    # Of a flow: what is sent, and to whom of those on their way.
    content_id: int | None = None
    enrollment_id: int = 0

    @property
    def claim(self) -> Claim:
        return Claim(self.row_id, self.fence)


# Told which rows are about to pass the gate; says how many of them, from the first on, may.
Admit = Callable[[Sequence[Claim]], int]


def claim(lane: Lane, provider: str, worker: str, limit: int, admit: Admit) -> tuple[list[Passed], int]:
    """Take up to `limit` due rows of the lane; those that passed the gate, and how many were looked at.

    Guards, in the statement that commits: the row is queued and nobody else's, its campaign active,
    its sender usable and not resting, the customer exists, is opted in and is not suppressed at this
    moment; then that the contact policy lets the mail go now (delivery.policy). A refused row becomes
    `suppressed` with its reason, one that may go later is queued for then. Counts the attempt before the
    network is touched. The row takes over the customer's address as it is now. May be called by any number of
    workers at once: no row is taken twice. Fewer rows looked at than `limit`: no more are due.
    """
    with transaction.atomic():
        refusals.hold(lane.campaign.workspace_id)
        held_to = policy.hold(lane.campaign.workspace)
        return take(lane, provider, worker, limit, admit, held_to)


def take(
    lane: Lane, provider: str, worker: str, limit: int, admit: Admit, held_to: ContactPolicy | None
) -> tuple[list[Passed], int]:
    """What `claim` does between its locks and its commit."""
    due = _lock_due(lane, provider, limit)
    verdicts = policy.judge(lane.campaign, held_to, due) if due else {}
    free = [row for row in due if row.id not in verdicts]
    admitted = free[: admit([Claim(row.id, row.fence) for row in free])] if free else []
    judged = [*admitted, *(row for row in due if row.id in verdicts)]
    return (_gate(lane, judged, verdicts, worker) if judged else []), len(due)


# Without status, the row may go.
_COLUMNS = {
    "id": "bigint",
    "fence": "integer",
    "customer_id": "bigint",
    "status": "text",
    "reason": "text",
    "due_at": "timestamptz",
}


def _lock_due(lane: Lane, provider: str, limit: int) -> list[Due]:
    """Lock due rows, oldest due first, each with the fence that the gate will give it."""
    usable = ", ".join(f"'{state}'" for state in Sender.USABLE)
    statement = f"""
        SELECT id, fence + 1, customer_id, CASE WHEN enrollment_id <> 0 THEN due_at END, cutoff_at,
            enrollment_id, round
        FROM delivery_sendlog l
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
        return [Due(*row) for row in cursor.fetchall()]


def _gate(lane: Lane, due: Sequence[Due], verdicts: Mapping[int, Verdict], worker: str) -> list[Passed]:
    """Judge the locked rows. They are queued and the caller's: only the campaign is looked at again."""
    statement = f"""
        UPDATE delivery_sendlog
        SET status = verdict.status, reason = verdict.reason,
            email = COALESCE(verdict.email, delivery_sendlog.email),
            due_at = COALESCE(verdict.due_at, delivery_sendlog.due_at),
            mailbox_provider = CASE WHEN verdict.email <> delivery_sendlog.email
                THEN {mailbox_provider_sql("verdict.email")} ELSE mailbox_provider END,
            worker = %s, fence = verdict.fence,
            attempts = attempts + CASE WHEN verdict.status = 'sending' THEN 1 ELSE 0 END,
            lease_until = CASE WHEN verdict.status = 'sending'
                THEN {sql.in_seconds(settings.SEND_LEASE_SECONDS)} END
        FROM (
            SELECT mine.id, mine.fence, mine.due_at, p.email,
                CASE WHEN p.id IS NULL OR {refusal_sql("p", "s")} <> '' THEN 'suppressed'
                     ELSE COALESCE(mine.status, 'sending') END AS status,
                CASE WHEN p.id IS NULL THEN 'deleted'
                     WHEN {refusal_sql("p", "s")} <> '' THEN {refusal_sql("p", "s")}
                     ELSE COALESCE(mine.reason, '') END AS reason
            FROM {sql.table(_COLUMNS)} mine
            JOIN campaigns_campaign c ON c.id = %s AND c.status = 'active'
            LEFT JOIN audience_customer p ON p.id = mine.customer_id AND p.workspace_id = c.workspace_id
            LEFT JOIN audience_suppression s ON s.workspace_id = p.workspace_id AND s.email = p.email
        ) AS verdict
        WHERE delivery_sendlog.id = verdict.id
        RETURNING delivery_sendlog.status = 'sending', delivery_sendlog.id, delivery_sendlog.fence, attempts,
            crashes, customer_id, delivery_sendlog.email, content_id, enrollment_id, {flow_mails.ENDED}"""  # noqa: S608 - constants of ours
    rows = sql.rows(_judged(row, verdicts.get(row.id)) for row in due)
    with connection.cursor() as cursor:
        cursor.execute(statement, [worker, rows, lane.campaign.pk])
        decided = cursor.fetchall()
    ends = [flow_mails.Row(*row[9:]) for row in decided if not row[0]]
    progress.count((lane.campaign.pk, end.status) for end in ends)
    flow_mails.end(ends)
    return [Passed(*row[1:9]) for row in decided if row[0]]


def _judged(row: Due, verdict: Verdict | None) -> dict[str, object]:
    known: dict[str, object] = {"id": row.id, "fence": row.fence, "customer_id": row.customer_id}
    return known if verdict is None else known | verdict._asdict()
