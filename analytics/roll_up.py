"""Counting everything that reports show: by beat every minute, by command, and anew when asked to."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from analytics import audience_sums, goals, horizon, ledger_sums, reactions, state
from delivery import sql

# Where nobody rings every minute, a page that is opened counts what is older.
EVERY = timedelta(minutes=1)


def run() -> None:
    """Count what is new. May be repeated, stopped at any moment and run twice at once."""
    seen = horizon.look()
    ledger_sums.count(seen)
    reactions.count(seen)
    goals.count(seen)
    audience_sums.count(seen)
    with state.held() as counted:
        counted.at = timezone.now()
        counted.save(update_fields=["at"])


def rebuild() -> None:
    """Forget what is counted and count it from the ledger and the events, to the same numbers.

    Of events that were pruned, what they had said is kept and goes in again. While it runs, reports
    show what is counted so far.
    """
    with state.held() as counted:
        for part in (ledger_sums, reactions, goals, audience_sums):
            part.begin_anew()
        counted.event_id = counted.sendlog_id = counted.consent_id = counted.customer_event_id = 0
        counted.rejudged_until = None
        counted.save()
    run()


def keep_fresh() -> None:
    """Count what is new before a page is shown, in the embedded mode, which has no beat to ring for it."""
    counted_at = state.current().at
    if not sql.is_postgresql() and (counted_at is None or counted_at < timezone.now() - EVERY):
        run()
