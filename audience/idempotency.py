"""Requests that may be repeated: the answer to a request is kept under a name that its caller chose.

What a request did and the answer to it are committed together, so a crash leaves neither. Requests that
cannot run in a transaction, since they wait for somebody else's server, claim the name first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audience.models import ApiKey, StoredAnswer, Workspace

KEPT = timedelta(hours=24)
# A request that has not been answered for so long died; its name may be used again.
DIED = timedelta(minutes=2)
# Old answers that go with each new one, so that the table cannot grow.
CLEARED = 20
# Stands for an answer that was forgotten with a person; no answer of ours is empty.
FORGOTTEN = ""


class NameTaken(Exception):
    """Another request has used this name in the last 24 hours."""


class StillRunning(Exception):
    """The request with this name has not been answered yet."""


def claim(key: ApiKey, name: str, digest: str) -> StoredAnswer:
    """Take a name for a request; with a status, it is the answer that the request has had before.

    Inside a transaction it waits for another that holds the name. Commits otherwise. Raises NameTaken
    and StillRunning.
    """
    clear()
    row, is_new = StoredAnswer.objects.get_or_create(
        api_key=key, name=name, defaults={"digest": digest, "created_at": timezone.now()}
    )
    if is_new:
        return row
    if row.created_at < timezone.now() - KEPT:
        return _taken_over(row, digest)
    if row.digest != digest:
        raise NameTaken
    if row.status is None:
        if row.created_at > timezone.now() - DIED:
            raise StillRunning
        return _taken_over(row, digest)
    return row


def answer(row: StoredAnswer, status: int, headers: Mapping[str, str], body: str) -> None:
    """Keep the answer, in the transaction of what the request did."""
    rows = StoredAnswer.objects.filter(pk=row.pk, created_at=row.created_at)
    rows.update(status=status, headers=dict(headers), body=body)


def release(row: StoredAnswer) -> None:
    """Give the name of a request back that was refused, so that it can be tried again."""
    StoredAnswer.objects.filter(pk=row.pk, created_at=row.created_at, status=None).delete()


def clear() -> int:
    """Forget some answers that have been kept long enough; may be repeated."""
    old = StoredAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("created_at")
    with transaction.atomic():
        # Two that clear at once each take what the other leaves.
        locked = old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:CLEARED]
        forgotten, _ = StoredAnswer.objects.filter(pk__in=list(locked)).delete()
    return forgotten


def mentioning(workspace: Workspace, text: str) -> QuerySet[StoredAnswer]:
    """The answers to keys of a workspace in which a text stands, for the export of a person."""
    return StoredAnswer.objects.filter(api_key__workspace=workspace, body__icontains=text)


def forget_answers(workspace: Workspace) -> int:
    """Forget what was answered to keys of a workspace, whoever it names: the erasure of a person calls it.

    The names stay taken for the rest of their day, so that no request is run a second time; asked again,
    they say so. Within the caller's transaction; may be repeated.
    """
    answered = StoredAnswer.objects.filter(api_key__workspace=workspace, status__isnull=False)
    return answered.exclude(body=FORGOTTEN).update(body=FORGOTTEN, headers={})


def _taken_over(row: StoredAnswer, digest: str) -> StoredAnswer:
    """The row as that of a new request; of two that try, one gets it."""
    seen, row.created_at = row.created_at, timezone.now()
    row.digest, row.status = digest, None
    mine = StoredAnswer.objects.filter(pk=row.pk, created_at=seen)
    if not mine.update(digest=digest, status=None, created_at=row.created_at, headers={}, body=""):
        raise StillRunning
    return row
