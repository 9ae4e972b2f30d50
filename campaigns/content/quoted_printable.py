"""Quoted-printable (RFC 2045, 6.7) by pieces, so that what all mails of a campaign share is encoded once.

A piece begins in the first column and, by a soft line break where there is no other, leaves the next one
there too, so that pieces can be put together as they come. The result is 7-bit, its lines end in CRLF,
none is longer than 76 characters and none begins with a dot, which SMTP would have to double (RFC 5321,
4.5.2).
"""

from __future__ import annotations

import re
from binascii import b2a_qp

SOFT_BREAK = b"=\r\n"
# With the soft break's "=" a full line has 76 characters.
LINE = 75
# Text of one line that stands for itself.
LITERAL = re.compile(rf"(?!\.)[ -<>-~]{{1,{LINE}}}").fullmatch


class Parted(ValueError):
    """A piece ends in CR: only with what follows can be told whether that is a whole line break."""


def piece(text: str) -> bytes:
    """Encode a part of a text; line breaks of any kind become CRLF. Raises Parted."""
    if LITERAL(text):
        return text.encode() + SOFT_BREAK
    if text.endswith("\r"):
        raise Parted
    *lines, rest = _unified(text).encode().split(b"\n")
    encoded = b"".join([_line(line) + b"\r\n" for line in lines])
    return encoded + _line(rest) + SOFT_BREAK if rest else encoded


def whole(text: str) -> bytes:
    """Encode a whole text, as a piece that may end in any way."""
    return piece(_unified(text))


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line(line: bytes) -> bytes:
    """A line without its break, in parts of at most LINE characters, none of which parts an escape."""
    # Folded by it as well, but without regard to dots.
    escaped = b2a_qp(line).replace(b"=\n", b"")
    if len(escaped) <= LINE and not escaped.startswith(b"."):
        return escaped
    parts = []
    start = 0
    while start < len(escaped):
        lead = b"=2E" if escaped.startswith(b".", start) else b""
        start += bool(lead)
        end = start + LINE - len(lead)
        if end < len(escaped) and (escape := escaped.rfind(b"=", end - 2, end)) != -1:
            end = escape
        parts.append(lead + escaped[start:end])
        start = end
    return SOFT_BREAK.join(parts)
