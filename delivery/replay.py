"""Asking again about mails of doubtful fate, where the service knows a repeated call by its key.

A call with the key of one that was accepted is answered as that one was, and sends nothing. A call with
a key that the service has not seen sends the mail, which then leaves for the first time. Either way the
answer ends the doubt, and the mail leaves once; but only as long as the service remembers the key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast, Now
from django.db.models.lookups import Contains

from audience import refusals
from audience.mailable import refusal_sql
from campaigns import lifecycle
from campaigns.content import RenderError
from campaigns.esps import ESPS
from campaigns.models import Campaign, Sender
from delivery import recipients, sql, unknown
from delivery.handover import Hands
from delivery.message import Builders
from delivery.models import Circuit, Progress, SendLog
from delivery.transports import SenderUnusable
from delivery.transports.base import Mail, Verdict

logger = logging.getLogger(__name__)

# Services that know a repeated call, and for how many seconds.
REMEMBERED = {esp.name: esp.idempotency_seconds for esp in ESPS.values() if esp.idempotency_seconds}
# After this, and after as long as the doubt has lasted, it is asked once more.
AGAIN_AFTER = timedelta(seconds=60)
Reason = SendLog.Reason


def replay_unknown(open_hands: Callable[[], Hands]) -> int:
    """Ask once more about unknown mails whose service still knows their key; return how many were settled.

    Guards as the gate does: not for a campaign that is paused or that somebody ended, nor to a customer
    who may not be mailed any more. Commits the moment of the next try before the network, and what was
    settled after it; a worker that dies in between changes nothing. May be repeated, by many workers.
    """
    settled = 0
    for campaign, sender in _in_doubt():
        accepted = _ask(campaign, sender, open_hands)
        unknown.restate(unknown.confirm(accepted))
        settled += len(accepted)
        if accepted:
            ids = {"campaign": campaign.pk, "sender": sender.pk, "mails": len(accepted)}
            logger.info("unknown mails confirmed", extra=ids)
    return settled


def _in_doubt() -> Iterator[tuple[Campaign, Sender]]:
    """Campaigns that may send, and their senders that can be asked, where a mail is in doubt."""
    statuses = (Campaign.Status.ACTIVE, Campaign.Status.COMPLETED)
    doubtful = Progress.objects.filter(unknown__gt=0, campaign__status__in=statuses)
    for progress in doubtful.select_related("campaign__workspace", "campaign__content"):
        campaign = progress.campaign
        senders = Sender.objects.usable().filter(transport=Sender.Transport.ESP, esp__in=REMEMBERED)
        resting = Circuit.objects.filter(retry_at__gt=Now()).values("pk")
        found = list(senders.filter(pk__in=campaign.sender_shares.values("sender")).exclude(pk__in=resting))
        if found and (campaign.status == Campaign.Status.ACTIVE or not lifecycle.was_ended_by_hand(campaign)):
            yield from ((campaign, sender) for sender in found)


def _ask(campaign: Campaign, sender: Sender, open_hands: Callable[[], Hands]) -> dict[int, str]:
    """The rows whose mail was accepted, with the provider's id for it."""
    asked = _take(campaign, sender)
    if not asked:
        return {}
    try:
        transport = open_hands().transport(sender)
    except SenderUnusable:
        return {}
    answers = transport.deliver(_mails(campaign, sender, asked), lambda row_id: None)
    return {answer.row_id: answer.provider_id for answer in answers if answer.verdict is Verdict.ACCEPTED}


class _Asked(NamedTuple):
    """A row that is asked about."""

    row_id: int
    customer_id: int
    email: str
    content_id: int | None
    enrollment_id: int


def _take(campaign: Campaign, sender: Sender) -> list[_Asked]:
    """Rows to ask about now, as many as calls may be in flight; put off until their next turn."""
    with transaction.atomic():
        refusals.hold(campaign.workspace_id)
        rows = _due(campaign, sender).select_for_update(skip_locked=True).order_by("pk")
        ids = list(rows.values_list("pk", flat=True)[: settings.ESP_CONNECTIONS])
        allowed = _allowed(ids) if ids else []
        again = Now() + (Now() - F("lease_until")) + AGAIN_AFTER
        SendLog.objects.filter(pk__in=ids).update(due_at=again)
        return allowed


def _due(campaign: Campaign, sender: Sender) -> QuerySet[SendLog]:
    """Unknown mails that left so lately that the service knows their key, and that nobody has in hand.

    The lease says when: it began before the mail left. Those that somebody had sent again are left out,
    since the service counts from the first time; and those that may have left through another account.
    """
    lease = timedelta(seconds=settings.SEND_LEASE_SECONDS)
    remembered = timedelta(seconds=REMEMBERED[sender.esp]) - lease
    history = Cast("history", TextField())
    rows = unknown.rows(campaign).filter(
        ~Contains(history, f'"{Reason.RESENT}"'),
        sender=sender,
        reason__in=[Reason.NO_ANSWER, Reason.LOST],
        due_at__lte=Now(),
        lease_until__lt=Now(),
        lease_until__gt=Now() - remembered,
    )
    return rows.filter(lease_until__gt=sender.account_since + lease) if sender.account_since else rows


def _allowed(ids: list[int]) -> list[_Asked]:
    """Those whose customer may be mailed at this moment, at the address that the mail went to."""
    statement = f"""
        SELECT l.id, p.id, p.email, l.content_id, l.enrollment_id
        FROM {sql.table({"id": "bigint"})} mine JOIN delivery_sendlog l ON l.id = mine.id
        JOIN campaigns_campaign c ON c.id = l.campaign_id AND c.status IN ('active', 'completed')
        JOIN audience_customer p
          ON p.id = l.customer_id AND p.workspace_id = l.workspace_id AND p.email = l.email
        LEFT JOIN audience_suppression s ON s.workspace_id = p.workspace_id AND s.email = p.email
        WHERE {refusal_sql("p", "s")} = ''"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [sql.rows({"id": row_id} for row_id in ids)])
        return [_Asked(*row) for row in cursor.fetchall()]


def _mails(campaign: Campaign, sender: Sender, asked: list[_Asked]) -> Iterator[Mail]:
    """The mails as they were handed over."""
    found = recipients.read(asked)
    builders = Builders(campaign, sender)
    for row in asked:
        if row.row_id in found:
            # It was built once: what changed since makes it another mail, and the doubt stays.
            with suppress(RenderError):
                yield builders.of(row.content_id).build(found[row.row_id])
