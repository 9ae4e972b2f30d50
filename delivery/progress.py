"""The sums of a campaign's ledger rows, moved with the rows themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.db.models import F

from delivery.models import Progress, SendLog

# Where a row can come to rest; each has a column of the same name.
ENDS = frozenset(
    {
        SendLog.Status.SENT,
        SendLog.Status.FAILED,
        SendLog.Status.SUPPRESSED,
        SendLog.Status.CANCELLED,
        SendLog.Status.UNKNOWN,
    }
)


def of(campaign_id: int) -> Progress:
    """The campaign's progress; zeroes when filling has not begun."""
    return Progress.objects.filter(pk=campaign_id).first() or Progress(campaign_id=campaign_id)


def count(moved: Iterable[tuple[int, str]], *, sign: int = 1) -> None:
    """Count rows, as (campaign id, status they ended in), into their campaigns' sums.

    Statuses that are no end are passed over. Call it inside the transaction that moves the rows;
    campaigns are taken in the order of their ids, so that two batches cannot wait for each other.
    """
    sums: dict[int, dict[str, int]] = {}
    for (campaign_id, status), rows in Counter(moved).items():
        if status in ENDS:
            sums.setdefault(campaign_id, {})[status] = sign * rows
    for campaign_id in sorted(sums):
        Progress.objects.filter(pk=campaign_id).update(
            **{status: F(status) + n for status, n in sums[campaign_id].items()}
        )
