"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost.

The app's key is kept encrypted. A code is good once, wrong ones make the next try wait (django-otp does both,
for the account and not for the log-in). Recovery codes are kept as keyed hashes and each is good once.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.crypto import salted_hmac
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from audience import audit
from audience.credentials import CredentialsUnreadable
from audience.models import Authenticator

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

RECOVERY_CODES = 10
# Without letters and digits that are mistaken for each other.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def is_on(user: User) -> bool:
    """Whether a password alone does not let this user in."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def begin(user: User) -> Authenticator:
    """The key to put into an authenticator app; nothing counts before confirm(). May be repeated."""
    device: Authenticator = Authenticator.objects.get_or_create(
        user=user, confirmed=False, defaults={"name": "app"}
    )[0]
    if not _is_readable(device):
        device.delete()
        return begin(user)
    return device


@transaction.atomic
def confirm(device: Authenticator, code: str) -> list[str] | None:
    """Turn the second factor on, if the code proves that the app has the key: the recovery codes, else None.

    Replaces what was there before. The codes are shown once and known to nobody afterwards.
    """
    device = Authenticator.objects.select_for_update().get(pk=device.pk)
    if not _is_right(device, code):
        return None
    TOTPDevice.objects.filter(user=device.user).exclude(pk=device.pk).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    audit.record("second factor on", device.user, actor=device.user)
    return _new_codes(device.user)


@transaction.atomic
def renew_codes(user: User) -> list[str]:
    """New recovery codes; the old ones are void."""
    audit.record("recovery codes renewed", user, actor=user)
    return _new_codes(user)


def verify(user: User, code: str) -> Device | None:
    """The device whose code this is, or whose recovery code; None for a wrong one, or one that came too soon.

    Commits what was used up and what was wrong.
    """
    typed = code.replace(" ", "").replace("-", "").lower()
    with transaction.atomic():
        for model, told in ((Authenticator, typed), (StaticDevice, _digest(typed))):
            device = model.objects.select_for_update().filter(user=user, confirmed=True).first()
            if device is not None and model is _kind(typed) and _is_right(device, told):
                return device
        audit.record("second factor failed", user, actor=user)
    return None


def closed_until(user: User) -> datetime | None:
    """When the next code is looked at, after wrong ones."""
    waits = []
    for model in (Authenticator, StaticDevice):
        for device in model.objects.filter(user=user, confirmed=True):
            allowed, why = device.verify_is_allowed()
            waits += [] if allowed else [why["locked_until"]]
    return max(waits, default=None)


@transaction.atomic
def turn_off(user: User, actor: User | None = None) -> None:
    """Let the password alone do again, and forget the keys. May be repeated."""
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    audit.record("second factor off", user, actor=actor)


def unreadable() -> int:
    """How many accounts have a key that none of CREDENTIAL_KEYS can read."""
    known = Authenticator.objects.filter(confirmed=True).iterator()
    return sum(not _is_readable(device) for device in known)


def _kind(typed: str) -> Any:
    """Six digits come from an app, so that a wrong one does not close the way of the recovery codes."""
    return Authenticator if typed.isdecimal() else StaticDevice


def _is_right(device: Device, code: str) -> bool:
    """A key that cannot be read proves no code; recovery codes let its owner in."""
    if isinstance(device, Authenticator) and not _is_readable(device):
        logger.error("the key of a second factor cannot be read", extra={"device": device.pk})
        return False
    return bool(device.verify_token(code))


def _is_readable(device: Authenticator) -> bool:
    try:
        return bool(device.bin_key)
    except CredentialsUnreadable:
        return False


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes")
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_digest(code)) for code in codes)
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _digest(code: str) -> str:
    """64 bits, as much as the column holds."""
    return salted_hmac("audience.recovery_code", code, algorithm="sha256").hexdigest()[:16]
