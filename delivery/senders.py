"""Whether a sender can send; when it cannot any more, it stops, and its recipients wait or move."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from campaigns import lifecycle
from campaigns.models import Campaign, CampaignSender, Sender
from delivery import transports
from delivery.models import SendLog

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

# Rows moved to another sender in one statement.
CHUNK = 10_000
# How the reason begins for which a campaign is paused until a mailbox is connected again.
AWAITS = "A mailbox needs reconnecting"
LARGEST_ID = 2**63 - 1


def stop(sender: Sender, error: str) -> None:
    """Stop a sender for a fault of its own; nobody's mail is counted as failed for it.

    Its queued recipients move to another usable sender of their campaign; a campaign that has no
    other is paused, with what to do. May be repeated; commits each step by itself, and relieve_stopped()
    takes the step that a crash leaves out.
    """
    stopped = Sender.objects.filter(pk=sender.pk, state__in=Sender.USABLE).update(
        state=Sender.State.STOPPED, last_error=error
    )
    if stopped:
        logger.error("sender stopped: %s", error, extra={"sender": sender.pk})
    relieve(sender)


def relieve(sender: Sender) -> None:
    """Give what waits for a sender that cannot be used to others; may be repeated."""
    for campaign in Campaign.objects.active().filter(sender_shares__sender=sender):
        _move_or_pause(campaign, sender)


def relieve_stopped() -> None:
    """Move or pause what still waits for a sender that cannot be used."""
    shares = CampaignSender.objects.filter(campaign__status=Campaign.Status.ACTIVE)
    stopped = shares.exclude(sender__state__in=Sender.USABLE).select_related("campaign", "sender")
    for share in stopped:
        if _waiting(share.campaign, share.sender_id).exists():
            _move_or_pause(share.campaign, share.sender)


def resume_waiting(sender: Sender, actor: User | None) -> int:
    """Resume the campaigns that Drumbeat has paused until a mailbox of theirs is connected; how many.

    Those that somebody has paused, or that wait for something else, stay paused. May be repeated.
    """
    resumed = 0
    for campaign in Campaign.objects.filter(status=Campaign.Status.PAUSED, sender_shares__sender=sender):
        last = campaign.transitions.exclude(action="note").last()
        if last is None or last.actor_id is not None or not last.reason.startswith(AWAITS):
            continue
        # Somebody may have resumed or ended it meanwhile.
        with suppress(lifecycle.InvalidTransition):
            lifecycle.resume(campaign, actor, f"The mailbox of “{sender}” was connected.")
            resumed += 1
    return resumed


def relieve_missing() -> None:
    """Fail a campaign that has no sender any more; move what waits for one that it has lost to another.

    No page takes a sender out of a campaign that runs; a hand in the database may.
    """
    for campaign in Campaign.objects.active():
        shares = list(campaign.sender_shares.select_related("sender").order_by("sender_id"))
        if not shares:
            # Somebody may have ended it meanwhile.
            with suppress(lifecycle.InvalidTransition):
                lifecycle.fail(campaign, "Its sender is missing: this campaign has none any more.")
            continue
        heir = next((share for share in shares if share.sender.is_usable), shares[0])
        for lost in list(_lost(campaign, [share.sender_id for share in shares])):
            _move(campaign, lost, heir.sender_id)


def _lost(campaign: Campaign, known: list[int]) -> Iterator[int]:
    """Senders for which the campaign's mails wait and that are not known, which are in order.

    Asked for between one and the next, where the index finds at once that there is nothing.
    """
    # In the words of the index sendlog_open. By ids: order_by("sender") would be by the senders' names.
    waiting = SendLog.objects.filter(campaign=campaign, status__in=SendLog.OPEN).order_by("sender_id")
    for after, before in pairwise([0, *known, LARGEST_ID]):
        between = waiting.filter(status=SendLog.Status.QUEUED, sender__gt=after, sender__lt=before)
        while (found := between.values_list("sender", flat=True).first()) is not None:
            yield found
            between = between.filter(sender__gt=found)


def _waiting(campaign: Campaign, sender_id: int) -> QuerySet[SendLog]:
    return SendLog.objects.filter(campaign=campaign, sender=sender_id, status=SendLog.Status.QUEUED)


def _move_or_pause(campaign: Campaign, sender: Sender) -> None:
    sender.refresh_from_db()
    if sender.is_usable:
        # Somebody has mended it meanwhile; moving its rows to itself would never end.
        return
    others = CampaignSender.objects.filter(campaign=campaign, sender__state__in=Sender.USABLE)
    other = others.order_by("-weight", "id").first()
    if other is not None:
        _move(campaign, sender.pk, other.sender_id)
        return
    if sender.state == Sender.State.RECONNECT:
        reason = f"{AWAITS}, that of “{sender}”; then the campaign goes on by itself. {sender.last_error}"
    else:
        reason = f"The sender “{sender}” was stopped: {sender.last_error} Mend the sender, then resume."
    # Somebody may have paused or ended it meanwhile.
    with suppress(lifecycle.InvalidTransition):
        lifecycle.pause(campaign, reason=reason)


def _move(campaign: Campaign, sender_id: int, other_id: int) -> None:
    """Give the queued rows to another sender, so many at a time that no worker waits for long."""
    while (
        _waiting(campaign, sender_id)
        .filter(pk__in=_waiting(campaign, sender_id).order_by("due_at", "pk").values("pk")[:CHUNK])
        .update(sender=other_id)
    ):
        pass


def verify(sender: Sender) -> str | None:
    """Connect and log in as this sender; None when that worked, else what to tell the marketer.

    Sends no mail. Writes the sender's state and last error; one that was stopped stays so on failure.
    Takes as long as the mail server does, so no transaction may be open.
    """
    problem = transports.check(sender)
    rows = Sender.objects.filter(pk=sender.pk)
    if problem is None:
        rows.update(announced_size=sender.announced_size)
        proven(sender)
        resume_waiting(sender, None)
    else:
        rows.update(last_error=problem)
        rows.filter(state=Sender.State.READY).update(state=Sender.State.UNVERIFIED)
    return problem


def proven(sender: Sender) -> None:
    """Let a sender be used, because its provider has just answered as it should. May be repeated."""
    Sender.objects.filter(pk=sender.pk).update(state=Sender.State.READY, last_error="")
