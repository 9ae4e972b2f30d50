"""Tokens in links: which ledger row and customer a request is about, signed, with no address in it.

Short, and good for years: a token names the workspace and the customer too, so that a person can
unsubscribe when the campaign and its ledger are long gone. It names the content of the mail, so that a
click finds its target without asking the ledger. All links of a mail share one token, since who has one
of them has the mail, and so all of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from campaigns import signing

_PURPOSE = b"drumbeat-link"
_FORMAT = struct.Struct(">IQQI")
# By their size; the second is that of mails from before links were tracked.
_FORMATS = {format_.size: format_ for format_ in (_FORMAT, struct.Struct(">IQQ"))}


class InvalidToken(Exception):
    """The link is damaged or was not made by this installation."""


class Reference(NamedTuple):
    """What a token stands for."""

    workspace_id: int
    customer_id: int
    row_id: int
    # 0: that of a test, or not known.
    content_id: int = 0


def make(reference: Reference) -> str:
    """The token for a reference: 48 characters that fit into a URL."""
    return maker()(*reference)


def maker() -> Callable[[int, int, int, int], str]:
    """What makes tokens of a Reference's numbers, for who makes many: with the key that is the newest now."""
    signed, pack = signing.signer(_PURPOSE), _FORMAT.pack
    return lambda *numbers: signed(pack(*numbers))


def read(token: str) -> Reference:
    """The reference behind a token, whichever of LINK_KEYS signed it. Raises InvalidToken."""
    try:
        body = signing.verified(token, _PURPOSE)
        return Reference(*_FORMATS[len(body)].unpack(body))
    except (signing.Forged, KeyError) as error:
        raise InvalidToken from error
