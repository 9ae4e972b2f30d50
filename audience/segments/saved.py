"""Saving segments: what could not be evaluated is refused."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from audience.models import Segment, Workspace
from audience.segments.queries import validate
from audience.segments.values import InvalidCriteria


def save(workspace: Workspace, segment: Segment | None = None, **columns: Any) -> Segment:
    """Make a segment, or change the given columns (`name`, `criteria`) of one. May be repeated.

    Raises ValidationError with messages by field, and then nothing is written.
    """
    row = segment or Segment(workspace=workspace)
    for column, value in columns.items():
        setattr(row, column, value)
    try:
        validate(workspace, row.criteria)
    except InvalidCriteria as error:
        raise ValidationError({"criteria": str(error)}) from error
    row.full_clean()
    if segment is None:
        row.save(force_insert=True)
    else:
        row.updated_at = timezone.now()
        row.save(update_fields=[*columns, "updated_at"])
    row.refresh_from_db()
    return row
