"""What is signed for a URL: short, by LINK_KEYS, and good for the purpose that it was signed for only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from functools import cache

from django.conf import settings

# Bytes; who tries a thousand a second finds one in 10^18 years.
SIZE = 12


class Forged(Exception):
    """The text is damaged or was not signed by this installation for this purpose."""


def signed(body: bytes, purpose: bytes) -> str:
    """A body with its signature by the newest of LINK_KEYS, in characters that fit into a URL."""
    raw = body + _signature(settings.LINK_KEYS[0], body, purpose)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def verified(text: str, purpose: bytes) -> bytes:
    """The body that was signed, whichever of LINK_KEYS did it. Raises Forged."""
    try:
        padding = b"=" * (-len(text) % 4)
        raw = base64.b64decode(text.encode("ascii") + padding, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Forged from error
    body, signature = raw[:-SIZE], raw[-SIZE:]
    right = (_signature(key, body, purpose) for key in settings.LINK_KEYS)
    if not body or not any(hmac.compare_digest(signature, each) for each in right):
        raise Forged
    return body


def _signature(key: str, body: bytes, purpose: bytes) -> bytes:
    keyed = _keyed(key, purpose).copy()
    keyed.update(body)
    return keyed.digest()


@cache
def _keyed(key: str, purpose: bytes) -> hashlib.blake2b:
    derived = hashlib.sha256(key.encode()).digest()
    return hashlib.blake2b(key=derived, digest_size=SIZE, person=purpose)
