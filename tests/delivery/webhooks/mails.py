"""Mails that were sent, and reports about them in the inbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from campaigns.models import Campaign, Sender
from delivery.inbound import inbox
from delivery.inbound.receivers import Call
from delivery.models import Event, Inbound, SendLog
from delivery.settle import Settlement, settle
from tests.delivery.doubt import in_hand
from tests.delivery.webhooks import SAMPLES
from tests.delivery.webhooks.sample import filled
from tests.delivery.webhooks.signing import signed


def sent(campaign: Campaign, count: int = 1) -> list[SendLog]:
    """So many of the campaign's mails, as they are when the service has taken them."""
    rows = in_hand(campaign, count)
    settle([Settlement(r.pk, r.fence, "sent", provider_id=f"id-{r.pk}@example") for r in rows], "w1")
    return list(SendLog.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk"))


def told() -> list[tuple[str, str]]:
    """The events that came of reports, with the kind of each bounce."""
    return list(Event.objects.order_by("pk").values_list("type", "bounce"))


def take(row: SendLog, name: str = "postmark delivery", sender: Sender | None = None, **changes: Any) -> None:
    """Put a report about a mail into the inbox, as the door does once it has let it in."""
    sample = next(sample for sample in SAMPLES if str(sample) == name)
    payload = filled(sample.payload, row.pk, row.email, row.provider_id)
    payload = payload | changes if isinstance(payload, dict) else payload
    body, headers = signed(sample.service, payload, "https://drumbeat.example/hooks/x/y/")
    inbox.take(sender or row.sender, sample.service, Call(headers, body))


def wait_over() -> None:
    """Let everything in the inbox be due."""
    Inbound.objects.update(due_at=timezone.now() - timedelta(seconds=1))
