"""Moving everything that is encrypted to a new key, so that the old one can be thrown away.

What is encrypted stands in columns whose name begins with `sealed_`, of whichever model: a new one is
found by its name.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import models, transaction

from audience.credentials import CredentialsUnreadable, is_current, rotated

BATCH = 500
PREFIX = "sealed_"


def sealed_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Every column of every model that holds something encrypted."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.name.startswith(PREFIX):
                yield model, field.name


def rotate(model: type[models.Model], column: str) -> tuple[int, list[object]]:
    """Encrypt a column anew with the first of CREDENTIAL_KEYS, where that is not so yet.

    Returns how many values were, and the primary keys of rows whose value none of the keys can read; they
    stay as they are. Commits batch by batch, under locks: what somebody enters or renews meanwhile is
    never overwritten. May be repeated, and stopped at any time, while the old keys stay in the setting.
    """
    moved, unreadable = 0, []
    last: object = None
    while True:
        with transaction.atomic():
            rows = _batch(model, column, last)
            changed = []
            for row in rows:
                try:
                    if _rotate_row(row, column):
                        changed.append(row)
                except CredentialsUnreadable:
                    unreadable.append(row.pk)
            model._base_manager.bulk_update(changed, [column])
        moved += len(changed)
        if len(rows) < BATCH:
            return moved, unreadable
        last = rows[-1].pk


def _batch(model: type[models.Model], column: str, last: object) -> list[models.Model]:
    rows = model._base_manager.exclude(**{column: ""}).order_by("pk").only("pk", column)
    if last is not None:
        rows = rows.filter(pk__gt=last)
    return list(rows.select_for_update()[:BATCH])


def _rotate_row(row: models.Model, column: str) -> bool:
    stored: str = getattr(row, column)
    if is_current(stored):
        return False
    setattr(row, column, rotated(stored))
    return True
