"""The one row that says how far everything is counted, and that only one counts at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from analytics.models import RollUp

ONLY = 1


@contextmanager
def held() -> Iterator[RollUp]:
    """A transaction in which nobody else counts: sums move by differences, which two must not both add."""
    with transaction.atomic():
        RollUp.objects.bulk_create([RollUp(pk=ONLY)], ignore_conflicts=True)
        yield RollUp.objects.select_for_update().get(pk=ONLY)


def current() -> RollUp:
    """How far everything is counted, as it stands; of a new installation, nothing."""
    return RollUp.objects.filter(pk=ONLY).first() or RollUp(pk=ONLY)
