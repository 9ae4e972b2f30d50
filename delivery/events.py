"""Stage 9 of the pipeline, first half: keep what came back, once, before anything follows from it."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from delivery.models import Event
from delivery.tokens import Reference


def record(
    about: Reference, type_: Event.Type, source: Event.Source, *, fact: str, at: datetime | None = None
) -> Event:
    """Keep an event about a ledger row; a repeated report gives the event that is there already.

    `fact` tells one happening from another of the same type; a report that is repeated repeats it.
    Commits by itself, so that nothing is lost when what follows from the event fails.
    """
    event, _ = Event.objects.get_or_create(
        key=f"{source}:{about.row_id}:{type_}:{fact}",
        defaults={
            "workspace_id": about.workspace_id,
            "sendlog_id": about.row_id,
            "customer_id": about.customer_id,
            "type": type_,
            "source": source,
            "at": at or timezone.now(),
        },
    )
    return event
