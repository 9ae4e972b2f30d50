"""Tokens in links: which ledger row and customer a request is about, signed, with no address in it.

Short, and good for years: a token names the workspace and the customer too, so that a person can
unsubscribe when the campaign and its ledger are long gone. It names the content of the mail, so that a
click finds its target without asking the ledger. All links of a mail share one token, since who has one
of them has the mail, and so all of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from functools import cache

from django.conf import settings

# The second is that of mails from before links were tracked.
_FORMAT = struct.Struct(">IQQI")
_OLD_FORMAT = struct.Struct(">IQQ")
_MAC_SIZE = 12


class InvalidToken(Exception):
    """The link is damaged or was not made by this installation."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a token stands for."""

    workspace_id: int
    customer_id: int
    row_id: int
    # 0: that of a test, or not known.
    content_id: int = 0


def make(reference: Reference) -> str:
    """The token for a reference: 48 characters that fit into a URL."""
    body = _FORMAT.pack(reference.workspace_id, reference.customer_id, reference.row_id, reference.content_id)
    return base64.urlsafe_b64encode(body + _mac(settings.LINK_KEYS[0], body)).rstrip(b"=").decode()


def read(token: str) -> Reference:
    """The reference behind a token, whichever of LINK_KEYS signed it. Raises InvalidToken."""
    try:
        raw = base64.b64decode(
            token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True
        )
    except (ValueError, binascii.Error) as error:
        raise InvalidToken from error
    body, mac = raw[:-_MAC_SIZE], raw[-_MAC_SIZE:]
    format_ = {format_.size: format_ for format_ in (_FORMAT, _OLD_FORMAT)}.get(len(body))
    if format_ is None or not any(hmac.compare_digest(mac, _mac(key, body)) for key in settings.LINK_KEYS):
        raise InvalidToken
    return Reference(*format_.unpack(body))


def _mac(key: str, body: bytes) -> bytes:
    keyed = _keyed(key).copy()
    keyed.update(body)
    return keyed.digest()


@cache
def _keyed(key: str) -> hashlib.blake2b:
    derived = hashlib.sha256(key.encode()).digest()
    return hashlib.blake2b(key=derived, digest_size=_MAC_SIZE, person=b"drumbeat-link")
