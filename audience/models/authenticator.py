"""The second factor's key, which a dump of the database must not give away."""

from __future__ import annotations

from binascii import unhexlify

from django.db import models
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp.util import random_hex

from audience.credentials import decrypt, encrypt


def new_key() -> str:
    """Twenty random bytes (RFC 4226, 4), encrypted."""
    return encrypt(random_hex(20))


class Authenticator(TOTPDevice):  # type: ignore[misc]
    """Somebody's authenticator app. Written by audience.accounts.second_factor.

    django-otp does the work; its own column for the key, in clear, holds a random one that nothing uses.
    """

    # In hexadecimal, and encrypted with CREDENTIAL_KEYS.
    sealed_key = models.TextField(default=new_key)

    class Meta:
        verbose_name = "authenticator app"

    @property
    def bin_key(self) -> bytes:
        """The key that codes are made of. Raises CredentialsUnreadable."""
        return unhexlify(decrypt(self.sealed_key))
