"""A workspace's own settings: what it is called, its clock, and when and how often it may mail people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Model

from audience import audit
from audience.models import ContactPolicy, Workspace

GENERAL = ("name", "slug", "postal_address", "time_zone", "tracked")
POLICY = ("cap_mails", "cap_days", "cap_action", "quiet_from", "quiet_until", "quiet_action")


def change(workspace: Workspace, values: Mapping[str, Any]) -> bool:
    """Change what of these differs; says whether anything did.

    Guards that names and slugs stay unique and the zone is one. One transaction; may be repeated. Raises
    ValidationError with messages by field, and then nothing is written.
    """
    with transaction.atomic():
        current = Workspace.objects.select_for_update().get(pk=workspace.pk)
        return _write(current, values, GENERAL, workspace.pk)


def policy_of(workspace: Workspace) -> ContactPolicy:
    """The cap and quiet hours; while none were set, those of nobody, which is not stored."""
    return ContactPolicy.objects.filter(workspace=workspace).first() or ContactPolicy(workspace=workspace)


def change_policy(workspace: Workspace, values: Mapping[str, Any]) -> bool:
    """Change the cap and quiet hours, from the next mail on; says whether anything did.

    One transaction; may be repeated. Raises ValidationError with messages by field.
    """
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=workspace.pk)
        return _write(policy_of(workspace), values, POLICY, workspace.pk)


def _write(row: Model, values: Mapping[str, Any], known: tuple[str, ...], workspace: int) -> bool:
    """Write what differs, of the columns that are known, with its entry in the audit log."""
    held = {name: getattr(row, name) for name in known if name in values}
    before = {name: value for name, value in held.items() if value != values[name]}
    if not before:
        return False
    is_new = row._state.adding
    for name in before:
        setattr(row, name, values[name])
    row.full_clean()
    if is_new:
        row.save(force_insert=True)
    else:
        row.save(update_fields=list(before))
    after = {name: values[name] for name in before}
    audit.record("changed", row, workspace=workspace, before=before, after=after)
    return True
