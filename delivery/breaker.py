"""The circuit breaker of a sender: when its provider cannot be reached, nobody hammers at its door.

Each failure of the whole way to the provider (delivery.errors: UNAVAILABLE) opens the circuit, for
twice as long as the one before, or for as long as the provider asks. Then a single mail is the probe:
accepted, or refused for reasons of its own, it closes the circuit. Kept in the database, so that all
workers on all hosts know.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from campaigns.models import Campaign, CampaignSender, Sender
from delivery.models import Circuit

logger = logging.getLogger(__name__)

# The first failure closes the way for so long; each further one for twice as long as the one before.
FIRST_SECONDS = 1.0
# No longer than this without a try, unless the provider itself asks for it (Retry-After).
LONGEST_SECONDS = 30.0
LONGEST_RETRY_AFTER = 24 * 3600.0
# A probe that has not been answered by then counts for nothing, and another worker may try.
PROBE_SECONDS = 60.0


def may_probe(sender: Sender) -> bool:
    """Ask to be the one worker that tries an open circuit; False when another one is, or it is closed.

    Commits the moment at which the next worker may ask, by one conditional UPDATE.
    """
    now = timezone.now()
    rows = Circuit.objects.filter(pk=sender.pk, retry_at__lte=now)
    return bool(rows.update(retry_at=now + timedelta(seconds=PROBE_SECONDS)))


def resting(campaign: Campaign) -> QuerySet[Circuit]:
    """The open circuits of the campaign's senders, with the senders."""
    shares = CampaignSender.objects.filter(campaign=campaign)
    return Circuit.objects.filter(sender__in=shares.values("sender")).select_related("sender")


def open_for(failures: int, retry_after: float | None = None) -> float:
    """Seconds for which the circuit stays open after so many failures in a row."""
    doubled = FIRST_SECONDS * 2.0 ** min(failures - 1, 10)
    return max(min(doubled, LONGEST_SECONDS), min(retry_after or 0.0, LONGEST_RETRY_AFTER))


@transaction.atomic
def failed(sender: Sender, error: str, retry_after: float | None = None, *, probe: bool = False) -> None:
    """Open the circuit. Failures of several workers at once, while it is open already, count as one.

    The later of two moments wins, so that nobody knocks before the provider allowed it.
    """
    now = timezone.now()
    circuit, is_new = Circuit.objects.select_for_update().get_or_create(
        pk=sender.pk, defaults={"retry_at": now, "error": error}
    )
    failures = circuit.failures + 1 if is_new or probe or circuit.retry_at <= now else circuit.failures
    retry_at = now + timedelta(seconds=open_for(failures, retry_after))
    later = retry_at if probe else Greatest(F("retry_at"), retry_at)
    Circuit.objects.filter(pk=sender.pk).update(failures=failures, retry_at=later, error=error)
    logger.warning("circuit opened: %s", error, extra={"sender": sender.pk, "failures": failures})


def recovered(sender: Sender) -> None:
    """Close the circuit: the provider answers again. May be repeated."""
    if Circuit.objects.filter(pk=sender.pk).delete()[0]:
        logger.info("circuit closed", extra={"sender": sender.pk})
