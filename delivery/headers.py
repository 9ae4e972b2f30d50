"""Values of header fields as they travel: 7-bit, on short lines, and one field each whatever is in them."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime, quote
from functools import lru_cache

# RFC 5322, 2.1.1: what a line should not exceed, and the longest name of a field that is made here.
LINE = 76
FIELD = len("Reply-To: ")
FOLD = "\r\n "

# RFC 5322, 2.2: a header's value is one logical line of printable characters.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Display names that need no quotes (RFC 5322, 3.2.3).
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII).fullmatch
# Bytes that fill an encoded word (RFC 2047, 2) on a field's first line.
_WORD = 39


def unstructured(text: str) -> str:
    """The value of a field of free text, such as Subject; encoded (RFC 2047) where it needs it."""
    text = _one_line(text)
    return text if _is_plain(text) else _encoded(text)


def mailbox(name: str, address: str) -> str:
    """A display name and an address in angle brackets (RFC 5322, 3.4)."""
    name = _one_line(name)
    if not name:
        return f"<{address}>"
    shown = name if _ATOMS(name) else f'"{quote(name)}"'
    if not _is_plain(shown):
        shown = _encoded(name)
    last_line = len(shown) - shown.rfind("\n")
    space = " " if FIELD + last_line + len(address) + 3 <= LINE else FOLD
    return f"{shown}{space}<{address}>"


def date() -> str:
    """This second, in UTC."""
    return _formatted(int(time.time()))


@lru_cache(maxsize=1)
def _formatted(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))


def _one_line(text: str) -> str:
    return (text if text.isprintable() else _CONTROL.sub(" ", text)).strip()


def _is_plain(text: str) -> bool:
    # What looks like an encoded word would be taken for one.
    return len(text) <= LINE - FIELD and text.isascii() and "=?" not in text


def _encoded(text: str) -> str:
    """Encoded words; the space between two of them is no part of the text (RFC 2047, 6.2)."""
    return FOLD.join([f"=?utf-8?b?{b64encode(part).decode()}?=" for part in _parts(text.encode())])


def _parts(raw: bytes) -> Iterator[bytes]:
    """Parts for one word each, no character parted: RFC 2047, 5."""
    start = 0
    while start < len(raw):
        end = start + _WORD
        # RFC 3629, 3: a byte of the form 10xxxxxx goes on with a character.
        while end < len(raw) and raw[end] & 0xC0 == 0x80:
            end -= 1
        yield raw[start:end]
        start = end
