"""Saving segments: what could not be evaluated is refused."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audience import audit
from audience.models import Segment, Workspace
from audience.segments.queries import validate
from audience.segments.values import InvalidCriteria


def save(workspace: Workspace, segment: Segment | None = None, **columns: Any) -> Segment:
    """Make a segment, or change the given columns (`name`, `criteria`) of one. May be repeated.

    Commits the segment and its entry in the audit log together. Raises ValidationError with messages by
    field, and then nothing is written.
    """
    row = segment or Segment(workspace=workspace)
    for column, value in columns.items():
        setattr(row, column, value)
    try:
        validate(workspace, row.criteria)
    except InvalidCriteria as error:
        raise ValidationError({"criteria": str(error)}) from error
    row.full_clean()
    with transaction.atomic():
        _write(row, list(columns))
    row.refresh_from_db()
    return row


def _write(row: Segment, columns: list[str]) -> None:
    held = Segment.objects.select_for_update().filter(pk=row.pk).first()
    if held is None:
        row.save(force_insert=True)
        audit.record("added", row, workspace=row.workspace_id, after=_told(row))
        return
    row.updated_at = timezone.now()
    row.save(update_fields=[*columns, "updated_at"])
    audit.changed(row, _told(held), _told(row), workspace=row.workspace_id)


def _told(row: Segment) -> dict[str, Any]:
    """What the audit log says of a segment."""
    return {"name": row.name, "criteria": row.criteria}
