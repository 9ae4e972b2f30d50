"""Beside stage 8: mails in doubt that the sender's own mailbox can be asked about.

A mailbox remembers what was sent through it. Found there, a mail was sent; a draft of ours that was never
sent, and that we have deleted, surely was not. Whatever else is found proves nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

import requests
from django.db.models import F
from django.utils import timezone

from campaigns.models import Grant
from delivery import unknown
from delivery.message import message_id
from delivery.models import LookUp, Progress, SendLog
from delivery.settle import from_answer
from delivery.transports.base import Answer, Verdict
from delivery.transports.connected import readable_mailbox
from delivery.transports.mailboxes import MailboxBackend

logger = logging.getLogger(__name__)

# A mail may arrive in its mailbox long after it was accepted: when to look, counted from the look before.
WAITS = [timedelta(minutes=minutes) for minutes in (5, 15, 60, 6 * 60, 24 * 60)]
# In one round: mails looked up at most, seconds after which no other is begun, mails newly noted.
MOST = 10
SECONDS = 5.0
NOTED = 1_000


def look_up() -> int:
    """Ask mailboxes about mails in doubt, and settle those of which they prove something; how many.

    Commits mail by mail; may be repeated and run by many workers: each look is one worker's. Mails that
    surely were not sent are queued again. Calls providers, so no transaction may be open.
    """
    _forget_settled()
    _note_new()
    end = time.monotonic() + SECONDS
    sessions: dict[int, MailboxBackend | None] = {}
    settled = 0
    try:
        for row in islice(_mine(), MOST):
            if row.sender_id not in sessions:
                sessions[row.sender_id] = readable_mailbox(row.sender)
            settled += _settle(row, sessions[row.sender_id])
            if time.monotonic() > end:
                break
    finally:
        for session in sessions.values():
            if session is not None:
                session.close()
    return settled


def _forget_settled() -> None:
    LookUp.objects.exclude(sendlog__status=SendLog.Status.UNKNOWN).delete()


def _note_new() -> None:
    """Plan the first look at mails that have come into doubt since the last round."""
    doubtful = SendLog.objects.filter(
        campaign__in=Progress.objects.filter(unknown__gt=0).values("pk"),
        status=SendLog.Status.UNKNOWN,
        sender__in=Grant.objects.filter(may_look_up=True).values("pk"),
    ).exclude(pk__in=LookUp.objects.values("pk"))
    first = timezone.now() + WAITS[0]
    LookUp.objects.bulk_create(
        [LookUp(pk=row_id, due_at=first) for row_id in doubtful.values_list("pk", flat=True)[:NOTED]],
        ignore_conflicts=True,
    )


def _mine() -> Iterator[SendLog]:
    """Mails whose look is due, each given to one worker only."""
    due = LookUp.objects.filter(due_at__lte=timezone.now(), tries__lt=len(WAITS)).order_by("due_at", "pk")
    for planned in due[: 2 * MOST]:
        wait = WAITS[min(planned.tries + 1, len(WAITS) - 1)]
        mine = LookUp.objects.filter(pk=planned.pk, tries=planned.tries)
        if mine.update(tries=F("tries") + 1, due_at=timezone.now() + wait):
            row = SendLog.objects.filter(pk=planned.pk, status=SendLog.Status.UNKNOWN)
            yield from row.select_related("sender")


def _settle(row: SendLog, session: MailboxBackend | None) -> bool:
    """Settle one mail by what its mailbox says; False when that proves nothing."""
    if session is None:
        return False
    # Of the last attempt; what stands there of a mail that was lost is of an earlier one.
    draft_id = row.provider_id.partition(" ")[0] if row.reason == SendLog.Reason.NO_ANSWER else ""
    is_only = row.reason == SendLog.Reason.LOST and row.fence == 1
    ours = message_id(row.pk, row.campaign_id, row.sender.from_email.rpartition("@")[2])
    try:
        verdict = session.look_up(ours, draft_id, is_only=is_only)
    except requests.RequestException as error:
        logger.warning("a mailbox could not be asked: %s", type(error).__name__, extra={"row": row.pk})
        return False
    if verdict is None:
        return False
    words = "" if verdict is Verdict.ACCEPTED else "The mailbox shows that it was never sent."
    settlement = from_answer(Answer(row.pk, verdict, row.provider_id, words), row.fence, row.attempts)
    if verdict is Verdict.ACCEPTED:
        settlement = settlement._replace(reason=SendLog.Reason.PROVEN)
    unknown.correct([settlement], row.worker)
    logger.info("doubt settled by the mailbox", extra={"row": row.pk, "verdict": verdict.value})
    return True
