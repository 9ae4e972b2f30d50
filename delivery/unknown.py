"""Beside stage 8 of the pipeline: mails of which nobody knows whether they were accepted, and their end.

A mail that is `unknown` is settled by what comes back about it, by its service where that can be asked
(delivery.replay), or by a person who chooses: sent again it may arrive twice, counted as sent it may never
arrive. Drumbeat itself never chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from campaigns import lifecycle
from campaigns.models import Campaign
from delivery import progress, sender_days, sql
from delivery.finish import describe
from delivery.models import Event, Progress, SendLog
from delivery.settle import Settlement, settle

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Status = SendLog.Status
Reason = SendLog.Reason
ENDED = (Campaign.Status.COMPLETED, Campaign.Status.FAILED)
# Ledger rows moved in one transaction.
CHUNK = 5_000


class CannotSendAgain(Exception):
    """The campaign's mails cannot be sent again, for good or for now; the message says what can be done."""


def rows(campaign: Campaign) -> QuerySet[SendLog]:
    """The campaign's unknown mails."""
    return SendLog.objects.filter(campaign=campaign, status=Status.UNKNOWN)


def why_not_again(campaign: Campaign) -> str:
    """Why the campaign's unknown mails cannot be sent again, in words for people; empty when they can."""
    if campaign.status == Campaign.Status.CANCELLED:
        return "This campaign was cancelled, so nothing of it is sent any more."
    if campaign.status in ENDED and _has_open_rows(campaign):
        return "This campaign has only just ended, and some mails are still in hand. Try again in a minute."
    return ""


def send_again(campaign: Campaign, actor: User, row_ids: Collection[int] | None = None) -> int:
    """Queue unknown mails of a campaign once more, because somebody chose so; return how many.

    All of them, or those of `row_ids` that are still unknown. An ended campaign is reopened for them,
    and for nobody else. Commits rows, sums, the campaign's status and its history together, 5,000 mails
    at a time; a second call finds nothing left to do. Raises CannotSendAgain.
    """
    return _in_chunks(campaign, row_ids, lambda held, ids: _send_again(held, ids, actor))


def count_as_sent(campaign: Campaign, actor: User, row_ids: Collection[int] | None = None) -> int:
    """Take unknown mails of a campaign for sent, because somebody chose so; return how many.

    All of them, or those of `row_ids` that are still unknown. Commits rows, sums and the campaign's
    history together, 5,000 mails at a time; a second call finds nothing left to do.
    """
    counted = _in_chunks(campaign, row_ids, lambda held, ids: _count_as_sent(held, ids, actor))
    restate([campaign.pk])
    return counted


@transaction.atomic
def prove(row_ids: Collection[int]) -> set[int]:
    """Settle as sent those mails that are unknown and about which something came back.

    Whatever comes back about a mail, a complaint as well as a click, proves that it was accepted.
    Commits rows and sums together; may be repeated. Returns the campaigns they are of, for restate().
    """
    proof = f"""
        SELECT l.id, min(e.at) AS at, '{Status.SENT}' AS status, '{Reason.PROVEN}' AS reason, '' AS error
        FROM {sql.table({"id": "bigint"})} mine
        JOIN delivery_sendlog l ON l.id = mine.id
        JOIN delivery_event e ON e.sendlog_id = l.id
          AND e.workspace_id = l.workspace_id AND e.customer_id = l.customer_id
        GROUP BY l.id"""  # noqa: S608 - constants of ours
    ids = _lock(SendLog.objects.filter(pk__in=row_ids, status=Status.UNKNOWN))
    if not ids:
        return set()
    columns = f"sent_at = r.at, history = {sql.appended_history('r')}"
    return _settle(proof, columns, sql.rows({"id": row_id} for row_id in ids))


@transaction.atomic
def confirm(accepted: Mapping[int, str]) -> set[int]:
    """Settle as sent those mails that are unknown and that their service has just said it took.

    `accepted` has the provider's id for each row. Commits rows and sums together; may be repeated. Returns
    the campaigns they are of, for restate().
    """
    ids = _lock(SendLog.objects.filter(pk__in=accepted, status=Status.UNKNOWN))
    said = f"""
        SELECT id, provider_id, '{Status.SENT}' AS status, '{Reason.CONFIRMED}' AS reason, '' AS error
        FROM {sql.table({"id": "bigint", "provider_id": "text"})} mine"""  # noqa: S608 - constants of ours
    columns = f"provider_id = r.provider_id, sent_at = {sql.now()}, history = {sql.appended_history('r')}"
    rows = sql.rows({"id": row_id, "provider_id": accepted[row_id]} for row_id in ids)
    return _settle(said, columns, rows) if ids else set()


def correct(settlements: Sequence[Settlement], worker: str) -> None:
    """Settle a worker's unknown mails as it says itself, when it was taken for dead, or its journal.

    Commits rows and sums together; may be repeated. Mails that never left are queued again, and when
    Drumbeat has ended their campaign meanwhile, it is reopened for them in the same transaction.
    """
    queued = [row.id for row in settlements if row.status == Status.QUEUED]
    doubtful = SendLog.objects.filter(pk__in=queued, status=Status.UNKNOWN)
    with transaction.atomic():
        campaigns = Campaign.objects.filter(pk__in=doubtful.values("campaign"))
        held = list(campaigns.select_for_update().order_by("pk"))
        moved = settle(settlements, worker, known_as=Status.UNKNOWN)
        for campaign in held:
            is_due = campaign.status in ENDED and _has_open_rows(campaign)
            if is_due and not lifecycle.was_ended_by_hand(campaign):
                _reopen(campaign, None, "Some mails that were unknown had never left.")
    restate(set(SendLog.objects.filter(pk__in=moved).values_list("campaign_id", flat=True)))


def prove_left_over() -> None:
    """Settle the unknown mails about which something came back while they were still in hand."""
    doubtful = SendLog.objects.filter(
        campaign__in=Progress.objects.filter(unknown__gt=0).values("pk"), status=Status.UNKNOWN
    )
    proven = doubtful.filter(Exists(Event.objects.filter(sendlog=OuterRef("pk"))))
    ids = list(proven.order_by("pk").values_list("pk", flat=True)[:CHUNK])
    if ids:
        restate(prove(ids))


def restate(campaign_ids: Collection[int]) -> None:
    """Let ended campaigns say how they went by the sums as they are now; may be repeated.

    Outside the transaction that moved the sums: who settles by choice holds the campaign first.
    """
    for sums in Progress.objects.filter(pk__in=campaign_ids).select_related("campaign"):
        lifecycle.restate(sums.campaign, describe(sums))


def _in_chunks(
    campaign: Campaign,
    row_ids: Collection[int] | None,
    move: Callable[[Campaign, list[int]], object],
) -> int:
    """Let `move` settle unknown mails, chunk by chunk, each in a transaction that holds the campaign."""
    done = 0
    while True:
        with transaction.atomic():
            held = Campaign.objects.select_for_update().get(pk=campaign.pk)
            chosen = rows(held) if row_ids is None else rows(held).filter(pk__in=row_ids)
            ids = _lock(chosen)
            if ids:
                move(held, ids)
        done += len(ids)
        if len(ids) < CHUNK:
            return done


def _send_again(held: Campaign, ids: list[int], actor: User) -> None:
    if problem := why_not_again(held):
        raise CannotSendAgain(problem)
    # The fence grows: a worker that still knows the row by the old one cannot write to it any more.
    columns = f"due_at = {sql.now()}, attempts = 0, fence = fence + 1"
    _choose(ids, Status.QUEUED, Reason.RESENT, columns, actor)
    words = f"{_mails(ids)} sent again."
    if held.status not in ENDED:
        lifecycle.note(held, actor, words)
        return
    _reopen(held, actor, words)


def _reopen(held: Campaign, actor: User | None, words: str) -> None:
    # Who came into the audience later, or was never filled in, stays out.
    Progress.objects.filter(pk=held.pk, filled_at=None).update(filled_at=Now())
    lifecycle.reopen(held, actor, words)


def _count_as_sent(held: Campaign, ids: list[int], actor: User) -> None:
    _choose(ids, Status.SENT, Reason.COUNTED, f"sent_at = {sql.now()}", actor)
    lifecycle.note(held, actor, f"{_mails(ids)} counted as sent.")


def _choose(ids: list[int], status: Status, reason: Reason, columns: str, actor: User) -> None:
    choice = f"""
        SELECT id, '{status}' AS status, '{reason}' AS reason, '' AS error, CAST(%s AS text) AS actor
        FROM {sql.table({"id": "bigint"})} mine"""  # noqa: S608 - constants of ours
    history = f"history = {sql.appended_history('r', by='r.actor')}"
    params = actor.get_username(), sql.rows({"id": row_id} for row_id in ids)
    _settle(choice, f"{columns}, {history}", *params)


def _settle(new: str, columns: str, *params: str) -> set[int]:
    """Move unknown rows to what the table `new` says, and the sums with them; the campaigns they are of."""
    statement = f"""
        UPDATE delivery_sendlog SET status = r.status, reason = r.reason, error = r.error, {columns}
        FROM ({new}) AS r
        WHERE delivery_sendlog.id = r.id AND delivery_sendlog.status = 'unknown'
        RETURNING campaign_id, sender_id, delivery_sendlog.status"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        moved = cursor.fetchall()
    progress.count((campaign_id, status) for campaign_id, _, status in moved)
    progress.count(((campaign_id, Status.UNKNOWN) for campaign_id, _, _ in moved), sign=-1)
    sender_days.count((sender_id, status) for _, sender_id, status in moved if status == Status.SENT)
    return {campaign_id for campaign_id, _, _ in moved}


def _lock(found: QuerySet[SendLog]) -> list[int]:
    """Lock a chunk of rows, in the order of their ids, in which everybody takes them."""
    return list(found.select_for_update().order_by("pk").values_list("pk", flat=True)[:CHUNK])


def _has_open_rows(campaign: Campaign) -> bool:
    return SendLog.objects.filter(campaign=campaign, status__in=SendLog.OPEN).exists()


def _mails(ids: list[int]) -> str:
    return f"{len(ids):,} unknown {'mail is' if len(ids) == 1 else 'mails are'}"
