"""Stage 8 of the pipeline: write down what became of the mails that were handed over.

One UPDATE per batch from one JSON parameter. A row is settled only while it is in the status that
the caller knows it in and carries the fence that it was claimed with; anything else was taken over
meanwhile, and the late writer changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from delivery import flow_mails, progress, sender_days, sql
from delivery.models import SendLog
from delivery.transports.base import Answer, Verdict

MAX_ATTEMPTS = 3

Status = SendLog.Status
Reason = SendLog.Reason


class Settlement(NamedTuple):
    """What a row becomes. `given_back` is 1 when the counted attempt did not take place."""

    id: int
    fence: int
    status: str
    reason: str = ""
    error: str = ""
    provider_id: str = ""
    due_at: Any = None
    given_back: int = 0


# What is empty or 0 is left out.
_COLUMNS = {
    "id": "bigint",
    "fence": "integer",
    "status": "text",
    "reason": "text",
    "error": "text",
    "provider_id": "text",
    "due_at": "timestamptz",
    "given_back": "integer",
}


def settle(settlements: Sequence[Settlement], worker: str, *, known_as: str = Status.SENDING) -> set[int]:
    """Move a worker's rows from `known_as` to what became of them; return the ids of those that were moved.

    Guards that each row is still that worker's, by the fence that it was claimed with. The fence alone
    would not do: a claim whose commit failed leaves its number to the next worker's.

    Commits rows and sums together. May be repeated: a row that was settled is not in `known_as` any
    more. What a row went through before it was sent is appended to its history.
    """
    was_sent = "r.status = 'sent'"
    # Concatenated, the status keeps PostgreSQL from walking through an index of all open rows when its
    # statistics are older than the campaign; it is to look up each id.
    statement = f"""
        UPDATE delivery_sendlog
        SET status = r.status, reason = r.reason, error = r.error, provider_id = r.provider_id,
            due_at = COALESCE(r.due_at, delivery_sendlog.due_at),
            sent_at = CASE WHEN {was_sent} THEN {sql.now()} ELSE sent_at END,
            attempts = attempts - r.given_back, worker = '',
            lease_until = CASE WHEN r.status = 'unknown' THEN lease_until END,
            history = CASE WHEN {was_sent} OR r.given_back = 1 THEN history
                ELSE {sql.appended_history("r")} END
        FROM (SELECT id, fence, status, COALESCE(reason, '') AS reason, COALESCE(error, '') AS error,
                COALESCE(provider_id, '') AS provider_id, due_at, COALESCE(given_back, 0) AS given_back
            FROM {sql.table(_COLUMNS)} given) AS r
        WHERE delivery_sendlog.id = r.id AND delivery_sendlog.fence = r.fence
          AND delivery_sendlog.status || '' = %s AND delivery_sendlog.worker = %s
        RETURNING delivery_sendlog.id, campaign_id, sender_id, delivery_sendlog.status, {flow_mails.ENDED}"""  # noqa: S608 - constants of ours
    with transaction.atomic(), connection.cursor() as cursor:
        # In the order of the ids, in which everybody takes rows.
        cursor.execute(statement, [sql.rows(map(_storable, sorted(settlements))), known_as, worker])
        moved = cursor.fetchall()
        progress.count((campaign_id, status) for _, campaign_id, _, status, *_ in moved)
        progress.count(((campaign_id, known_as) for _, campaign_id, *_ in moved), sign=-1)
        sender_days.count((sender_id, status) for _, _, sender_id, status, *_ in moved)
        flow_mails.end(row[4:] for row in moved)
    return {row_id for row_id, *_ in moved}


def _storable(row: Settlement) -> dict[str, Any]:
    """The row without what PostgreSQL's JSON cannot hold: one odd word must not keep a batch unsettled."""
    known = {name: value for name, value in zip(_COLUMNS, row, strict=True) if value}
    for name in ("error", "provider_id"):
        if name in known:
            known[name] = known[name].encode("utf-8", "replace").decode().replace("\0", "")
    return known


def from_answer(answer: Answer, fence: int, attempts: int) -> Settlement:
    """What the transport's answer makes of a row that has been attempted so many times."""
    if answer.verdict is Verdict.ACCEPTED:
        return Settlement(answer.row_id, fence, Status.SENT, "", answer.error, answer.provider_id)
    row = partial(Settlement, answer.row_id, fence, error=answer.error, provider_id=answer.provider_id)
    match answer.verdict:
        case Verdict.PERMANENT:
            return row(status=Status.FAILED, reason=Reason.REFUSED)
        case Verdict.UNKNOWN:
            return row(status=Status.UNKNOWN, reason=Reason.NO_ANSWER)
        case Verdict.SENDER | Verdict.UNAVAILABLE:
            return row(status=Status.QUEUED, reason=Reason.RETRY, given_back=1)
        case Verdict.NOT_SENT if attempts >= MAX_ATTEMPTS:
            return row(status=Status.FAILED, reason=Reason.EXHAUSTED)
        case _:
            due = timezone.now() + backoff(attempts, answer.retry_after)
            return row(status=Status.QUEUED, reason=Reason.RETRY, due_at=sql.moment(due))


def backoff(attempts: int, retry_after: float | None = None) -> timedelta:
    """The wait before the next attempt: four times as long each time, varied by a half either way.

    The provider's own `retry_after` (seconds) is waited for at least.
    """
    seconds = settings.SEND_RETRY_SECONDS * 4 ** (attempts - 1) * (0.5 + random.random())  # noqa: S311 - spreads load
    return timedelta(seconds=max(seconds, retry_after or 0))
