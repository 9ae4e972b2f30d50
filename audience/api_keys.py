"""API keys: made once, shown once, found by their beginning, revoked for good."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from audience import audit
from audience.models import ApiKey, Workspace

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What a key may be allowed to do: a thing, and how. audience.access.VERBS says which role each takes.
SCOPES = {
    "campaigns:read": "Read campaigns, their recipients and progress",
    "campaigns:write": "Prepare campaigns and send tests",
    "campaigns:send": "Activate, pause, resume and end campaigns",
    "flows:read": "Read flows, their versions, and where people are in them",
    "flows:write": "Write drafts of flows",
    "flows:send": "Publish flows",
    "templates:read": "Read and preview templates",
    "templates:write": "Write templates",
    "senders:read": "Read senders, never their passwords",
    "segments:read": "Read, count and sample segments",
    "segments:write": "Write segments",
    "customers:read": "Read customers and attributes",
    "customers:write": "Write customers and attributes",
    "suppressions:read": "Read suppressions",
    "suppressions:write": "Suppress addresses, and lift suppressions",
    "imports:read": "Read imports",
    "imports:write": "Import files",
    "events:read": "Read what came back about mails",
    "customer-events:read": "Read what customers did elsewhere",
    "customer-events:write": "Report what customers did elsewhere",
    "reports:read": "Read reports",
}
# So that people, and tools that look for leaked secrets, know it at sight.
MARK = "drumbeat"
PREFIX_BYTES = 4
SECRET_BYTES = 32
# How often it is noted that a key is in use.
NOTED_EVERY = timedelta(minutes=1)

_shape = re.compile(rf"(?P<prefix>{MARK}_[0-9a-f]{{8}})_[A-Za-z0-9_-]{{43}}")


@transaction.atomic
def create(
    workspace: Workspace,
    user: User,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key, and return it with its text, which is nowhere kept and cannot be shown again.

    Raises ValueError for a scope that does not exist.
    """
    if unknown := set(scopes) - SCOPES.keys():
        raise ValueError(f"There is no scope {min(unknown)}.")
    prefix = f"{MARK}_{secrets.token_hex(PREFIX_BYTES)}"
    text = f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    key: ApiKey = ApiKey(
        workspace=workspace,
        user=user,
        name=name,
        prefix=prefix,
        digest=_digest(text),
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=expires_at,
    )
    key.save(force_insert=True)
    after = {"begins with": prefix, "scopes": " ".join(key.scopes), "expires_at": expires_at}
    audit.record("API key made", key, workspace=workspace, actor=user, name=name, after=after)
    return key, text


def find(text: str) -> ApiKey | None:
    """The key with this text, if it may still be used; notes that it was."""
    shape = _shape.fullmatch(text)
    if shape is None:
        return None
    keys = ApiKey.objects.select_related("user", "workspace")
    key: ApiKey | None = keys.filter(prefix=shape["prefix"]).first()
    if key is None or not secrets.compare_digest(key.digest, _digest(text)):
        return None
    now = timezone.now()
    if not key.is_valid(now):
        return None
    _note_use(key, now)
    return key


@transaction.atomic
def revoke(key: ApiKey) -> bool:
    """Take the key back for good, from the next request on. False when it was revoked before."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
    if revoked:
        about = {"begins with": key.prefix, "last_used_at": key.last_used_at}
        audit.record("API key revoked", key, workspace=key.workspace_id, name=key.name, before=about)
    key.refresh_from_db(fields=["revoked_at"])
    return bool(revoked)


def _note_use(key: ApiKey, now: datetime) -> None:
    before = now - NOTED_EVERY
    if key.last_used_at is None or key.last_used_at < before:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=before)
        ApiKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
