"""The end of a campaign: when no row is open any more, say how it went."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.models import Progress, SendLog

ALL_FAILED = "All e-mail sends failed"


def finish_done_campaigns() -> int:
    """Complete or fail the active campaigns that are done; return how many.

    The sums only name the candidates; that no row is open is asked of the ledger at that moment.
    May be repeated and run by many workers: the second finds the campaign ended.
    """
    candidates = Progress.objects.filter(
        campaign__status=Campaign.Status.ACTIVE, filled_at__isnull=False
    ).filter(matched__lte=F("sent") + F("failed") + F("suppressed") + F("cancelled") + F("unknown"))
    return sum(_finish(progress) for progress in candidates.select_related("campaign"))


@transaction.atomic
def _finish(progress: Progress) -> bool:
    # Who sends an unknown mail again holds the campaign too: it is queued by now, or finds it ended.
    Campaign.objects.select_for_update().get(pk=progress.pk)
    if SendLog.objects.filter(campaign=progress.campaign, status__in=SendLog.OPEN).exists():
        return False
    result = describe(progress)
    try:
        if result == ALL_FAILED:
            lifecycle.fail(progress.campaign, result)
        else:
            lifecycle.complete(progress.campaign, result=result)
    except lifecycle.InvalidTransition:
        return False  # Another worker, or a person, was first.
    return True


def describe(progress: Progress) -> str:
    """How the campaign went, in a sentence for people."""
    if not progress.matched:
        return "Nobody matched the audience: nothing was sent."
    tried = progress.sent + progress.failed + progress.unknown
    if not tried:
        return f"Nothing was sent: all {progress.matched:,} who matched are suppressed or have not opted in."
    if progress.failed == tried:
        return ALL_FAILED
    parts = [f"{progress.sent:,} of {tried:,} sent"]
    if progress.unknown:
        parts.append(f"{progress.unknown:,} unknown")
    if progress.suppressed:
        parts.append(f"{progress.suppressed:,} suppressed or not opted in")
    return ", ".join(parts)
