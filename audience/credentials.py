"""Secrets at rest: encrypted with a key from outside the database (CREDENTIAL_KEYS)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class CredentialsUnreadable(Exception):
    """A stored password or key cannot be decrypted. Put the key it was written with into CREDENTIAL_KEYS."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def _cipher(keys: Sequence[str]) -> MultiFernet:
    # Here, for a worker whose senders need no password is 6 MB smaller without it.
    from cryptography.fernet import Fernet, MultiFernet

    raw = (hashlib.sha256(key.encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in raw])


def encrypt(secret: str) -> str:
    """The secret under the first of CREDENTIAL_KEYS; an empty one stays empty."""
    return _cipher(settings.CREDENTIAL_KEYS).encrypt(secret.encode()).decode() if secret else ""


def decrypt(stored: str) -> str:
    """The secret behind a stored value, whichever of CREDENTIAL_KEYS wrote it.

    Raises CredentialsUnreadable when none did.
    """
    return _read(stored, settings.CREDENTIAL_KEYS) if stored else ""


def is_current(stored: str) -> bool:
    """Whether a stored value was written with the first of CREDENTIAL_KEYS."""
    try:
        _read(stored, settings.CREDENTIAL_KEYS[:1])
    except CredentialsUnreadable:
        return False
    return True


def _read(stored: str, keys: Sequence[str]) -> str:
    from cryptography.fernet import InvalidToken

    try:
        return _cipher(keys).decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise CredentialsUnreadable from error


def rotated(stored: str) -> str:
    """The same secret under the first of CREDENTIAL_KEYS. Raises CredentialsUnreadable."""
    return encrypt(decrypt(stored))


def seal(secrets: Mapping[str, str]) -> str:
    """Several secrets by name as one stored value; none stay empty."""
    return encrypt(json.dumps(dict(secrets))) if secrets else ""


def unseal(stored: str) -> dict[str, str]:
    """What seal() was given. Raises CredentialsUnreadable."""
    secrets: dict[str, str] = json.loads(decrypt(stored) or "{}")
    return secrets
