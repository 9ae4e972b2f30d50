"""Flows: people who are due for a mail, for delivery to take, and what it says when the mail has ended.

campaigns never calls delivery: a send step makes an enrollment `ready`, delivery writes its ledger row and
makes it `mailing`, and says in the transaction that settles the row that it goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from audience import sql
from campaigns.flows import people
from campaigns.flows.people import Party, Reason, State
from campaigns.models import Campaign


class Ended(NamedTuple):
    """A mail of a flow that has come to its end, and what that means for the person."""

    enrollment: int
    round: int
    step: int
    # In the ledger's words.
    status: str
    reason: str
    # What the next wait counts from.
    at: datetime
    # They may not be mailed at all, so they leave the flow.
    is_refused: bool


def take_ready(campaign: Campaign, now: datetime, limit: int) -> list[Party]:
    """Lock a batch of the people who are due for a mail, in the caller's transaction.

    Guards that the campaign is active. Who was deleted meanwhile leaves here.
    """
    where, params = people.due(campaign, State.READY, now)
    found = people.take(where, params, campaign.workspace.zone, limit)
    gone = [party for party in found if party.zone is None]
    for party in gone:
        party.leave(Reason.DELETED)
    people.write(gone)
    for party in gone:
        people.count(campaign.pk, Counter(), Counter({party.step: len(party)}))
    return [party for party in found if party.zone is not None]


def begin(taken: Sequence[Party]) -> None:
    """Note that these people's mails are in the ledger; in the transaction that has written them."""
    for party in taken:
        party.rest(State.MAILING, party.was_due)
    people.write(taken)


_COLUMNS = {
    "id": "bigint",
    "round": "integer",
    "state": "text",
    "reason": "text",
    "due": "timestamptz",
    "ended": "timestamptz",
    "path": "jsonb",
}


def end(mails: Sequence[Ended]) -> None:
    """Let people go on whose mail has come to its end, in the transaction that has settled it.

    Whoever was moved or removed meanwhile is passed over; may be repeated.
    """
    if not mails:
        return
    statement = f"""
        UPDATE campaigns_enrollment
        SET state = r.state, reason = r.reason, due_at = r.due, ended_at = r.ended, fence = fence + 1,
            path = {sql.concatenated("campaigns_enrollment.path", "r.path")}
        FROM {sql.table(_COLUMNS)} r
        WHERE campaigns_enrollment.id = r.id AND campaigns_enrollment.round = r.round
          AND campaigns_enrollment.state = 'mailing'
        RETURNING campaign_id, step, campaigns_enrollment.state"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        # In the order of the ids, in which everybody takes them.
        cursor.execute(statement, [sql.rows(map(_row, sorted(mails)))])
        moved = cursor.fetchall()
    left: dict[int, Counter[int]] = {}
    for campaign_id, step, state in moved:
        if state == State.LEFT:
            left.setdefault(campaign_id, Counter())[step] += 1
    for campaign_id in sorted(left):
        people.count(campaign_id, Counter(), left[campaign_id])


def _row(mail: Ended) -> dict[str, object]:
    item = {"at": mail.at.isoformat(), "step": mail.step, "did": mail.status, "why": mail.reason}
    at = sql.moment(mail.at)
    return {
        "id": mail.enrollment,
        "round": mail.round,
        "state": State.LEFT if mail.is_refused else State.WAITING,
        "reason": Reason.REFUSED if mail.is_refused else "",
        "due": at,
        "ended": at if mail.is_refused else None,
        "path": [item],
    }
