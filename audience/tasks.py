"""What the distributed mode does for the audience from time to time."""

from __future__ import annotations

from celery import shared_task

from audience import segments


@shared_task
def keep_segment_indexes() -> list[str]:
    """Make and drop indexes as segments come and go; what was made."""
    return segments.keep_indexes()
