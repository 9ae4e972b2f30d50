"""Secrets at rest: encrypted with a key from outside the database (CREDENTIAL_KEYS)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CredentialsUnreadable(Exception):
    """A stored password or key cannot be decrypted. Put the key it was written with into CREDENTIAL_KEYS."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def _cipher() -> MultiFernet:
    return MultiFernet([_of_key(key) for key in settings.CREDENTIAL_KEYS])


def _of_key(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))


def encrypt(secret: str) -> str:
    """The secret under the first of CREDENTIAL_KEYS; an empty one stays empty."""
    return _cipher().encrypt(secret.encode()).decode() if secret else ""


def decrypt(stored: str) -> str:
    """The secret behind a stored value, whichever of CREDENTIAL_KEYS wrote it.

    Raises CredentialsUnreadable when none did.
    """
    try:
        return _cipher().decrypt(stored.encode()).decode() if stored else ""
    except InvalidToken as error:
        raise CredentialsUnreadable from error


def is_current(stored: str) -> bool:
    """Whether a stored value was written with the first of CREDENTIAL_KEYS."""
    try:
        _of_key(settings.CREDENTIAL_KEYS[0]).decrypt(stored.encode())
    except InvalidToken:
        return False
    return True


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
