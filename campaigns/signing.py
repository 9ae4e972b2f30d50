"""What is signed for a URL: short, by LINK_KEYS, and good for the purpose that it was signed for only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from functools import cache

from django.conf import settings

# Bytes; who tries a thousand a second finds one in 10^18 years.
SIZE = 12


class Forged(Exception):
    """The text is damaged or was not signed by this installation for this purpose."""


def signed(body: bytes, purpose: bytes) -> str:
    """A body with its signature by the newest of LINK_KEYS, in characters that fit into a URL."""
    return signer(purpose)(body)


def signer(purpose: bytes) -> Callable[[bytes], str]:
    """What signs bodies for this purpose, for who signs many: with the key that is the newest now."""
    keyed = _keyed(settings.LINK_KEYS[0], purpose)

    def sign(body: bytes) -> str:
        return base64.urlsafe_b64encode(body + _digest(keyed, body)).rstrip(b"=").decode()

    return sign


def verified(text: str, purpose: bytes) -> bytes:
    """The body that was signed, whichever of LINK_KEYS did it. Raises Forged."""
    try:
        padding = b"=" * (-len(text) % 4)
        raw = base64.b64decode(text.encode("ascii") + padding, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Forged from error
    body, signature = raw[:-SIZE], raw[-SIZE:]
    right = (_digest(_keyed(key, purpose), body) for key in settings.LINK_KEYS)
    if not body or not any(hmac.compare_digest(signature, each) for each in right):
        raise Forged
    return body


def _digest(keyed: hashlib.blake2b, body: bytes) -> bytes:
    own = keyed.copy()
    own.update(body)
    return own.digest()


@cache
def _keyed(key: str, purpose: bytes) -> hashlib.blake2b:
    derived = hashlib.sha256(key.encode()).digest()
    return hashlib.blake2b(key=derived, digest_size=SIZE, person=purpose)
