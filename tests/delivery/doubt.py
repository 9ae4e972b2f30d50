"""Mails of which nobody knows whether they were accepted."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from campaigns.models import Campaign
from delivery import sweep
from delivery.models import SendLog


def in_hand(campaign: Campaign, mails: int) -> list[SendLog]:
    """So many of the campaign's queued mails as the worker w1 has them, which died on the way."""
    queued = SendLog.objects.filter(campaign=campaign, status=SendLog.Status.QUEUED).order_by("pk")
    ids = list(queued.values_list("pk", flat=True)[:mails])
    rows = SendLog.objects.filter(pk__in=ids)
    over = timezone.now() - timedelta(seconds=1)
    rows.update(status=SendLog.Status.SENDING, worker="w1", fence=1, attempts=1, lease_until=over)
    return list(rows.order_by("pk"))


def in_doubt(campaign: Campaign, mails: int) -> list[SendLog]:
    """So many of the campaign's mails as they are when the lease of their dead worker has ended."""
    ids = [row.pk for row in in_hand(campaign, mails)]
    sweep.expire_leases()
    return list(SendLog.objects.filter(pk__in=ids).order_by("pk"))
