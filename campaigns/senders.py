"""Senders that delivery has stopped, and how they come back."""

from __future__ import annotations

from campaigns.models import Sender


def reinstate(sender: Sender) -> bool:
    """Let a stopped sender be used again, because somebody has mended it. False when it was not stopped."""
    mended = Sender.objects.filter(pk=sender.pk, state=Sender.State.STOPPED).update(
        state=Sender.State.UNVERIFIED, last_error=""
    )
    sender.refresh_from_db(fields=["state", "last_error"])
    return bool(mended)
