"""The address at which a sender's e-mail service reports: made, replaced, found, and its key."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from audience import audit
from audience.credentials import CredentialsUnreadable, seal, unseal
from campaigns.models import Sender
from delivery.models import Hook

# What is sealed: the secret in the address, and what the service signs with.
SECRET, KEY = "secret", "key"


def make(sender: Sender) -> Hook:
    """Give a sender its address; one that has one keeps it. Commits by itself."""
    fresh = {"public_id": secrets.token_hex(6), "sealed_secrets": seal({SECRET: secrets.token_urlsafe(24)})}
    with transaction.atomic():
        made, is_new = Hook.objects.get_or_create(sender=sender, defaults=fresh)
        if is_new:
            audit.record("report address made", sender, workspace=sender.workspace_id)
    return made


def rotate(hook: Hook) -> None:
    """Give the address a new secret; from now on nothing is taken at the old one. Commits by itself.

    A key that cannot be read any more is forgotten, so that this also mends a lost CREDENTIAL_KEYS.
    """
    _write(hook, {KEY: key_of(hook)} | {SECRET: secrets.token_urlsafe(24)}, "report address replaced")


def set_key(hook: Hook, key: str) -> None:
    """Keep what the service signs with; empty forgets it. Commits. Raises CredentialsUnreadable."""
    action = "report key entered" if key else "report key forgotten"
    _write(hook, unseal(hook.sealed_secrets) | {KEY: key}, action)


def key_of(hook: Hook) -> str:
    """What the service signs with; empty when nobody has entered it, or it cannot be read."""
    try:
        return unseal(hook.sealed_secrets).get(KEY, "")
    except CredentialsUnreadable:
        return ""


def url(hook: Hook) -> str:
    """The address, to be pasted into the service's settings. Raises CredentialsUnreadable."""
    path = reverse("delivery:hook", args=[hook.public_id, unseal(hook.sealed_secrets)[SECRET]])
    return f"{settings.SITE_URL}{path}"


def find(public_id: str, secret: str) -> Hook | None:
    """The hook at an address, with its sender; None when there is none or the secret is wrong.

    Raises CredentialsUnreadable.
    """
    hook = Hook.objects.select_related("sender").filter(public_id=public_id).first()
    if hook is None or not constant_time_compare(unseal(hook.sealed_secrets)[SECRET], secret):
        return None
    return hook


@transaction.atomic
def _write(hook: Hook, sealed: dict[str, str], action: str) -> None:
    hook.sealed_secrets = seal({name: value for name, value in sealed.items() if value})
    hook.save(update_fields=["sealed_secrets"])
    audit.record(action, hook.sender, workspace=hook.sender.workspace_id)
