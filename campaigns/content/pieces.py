"""What a program writes: the template's own text, encoded once, and values, encoded as they come."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liquid.stringify import to_liquid_string
from liquid.undefined import Undefined
from markupsafe import Markup

from campaigns.content import liquid, quoted_printable
from campaigns.content.liquid import Engine
from campaigns.content.quoted_printable import LINE, LITERAL, SOFT_BREAK

# Bytes on the wire, or a str where a header is yet to be made of it.
Piece = Any
Encode = Callable[[Any], Piece]
# One filter with its arguments.
Step = tuple[Callable[..., object], Sequence[object], Mapping[str, object]]

# What is longer is not kept, since memory is bounded by numbers of entries.
KEPT_LENGTH = 100
VALUES_KEPT = 4000
# What the filter `date` takes for the present moment.
THE_TIME = frozenset({"now", "today"})
# Longer values are left to the ordinary rendering, which counts what it writes.
VALUE_LIMIT = 10_000
LITERAL_IN_HTML = re.compile(rf"(?!\.)[ !#-%(-;?-~]{{1,{LINE}}}").fullmatch


class Uncommon(Exception):
    """The ordinary rendering must decide: a limit is near, or this cannot be told in pieces."""


@dataclass(frozen=True, slots=True)
class Form:
    """How pieces are written: `constant` takes finished text, `value` what data holds."""

    constant: Callable[[str], Piece]
    value: Encode


class Address(str):
    """A link for one recipient: to Liquid a text, to programs the piece that it is in HTML and in text.

    The links of a mail differ in their token only, and some stand in it many times.
    """

    __slots__ = ("piece",)
    piece: bytes


def addresses(prefix: str) -> Callable[[str], Address]:
    """Make the links that begin with `prefix`; a token, of letters, digits, - and _, follows."""
    head = quoted_printable.piece(prefix)

    def address(token: str) -> Address:
        made = Address(prefix + token)
        made.piece = head + token.encode() + SOFT_BREAK
        return made

    return address


def memoised(encode: Encode, entries: int) -> Encode:
    """`encode`, remembering what it made of the first so many short values.

    Types are kept apart, since 1 == True == 1.0.
    """
    known: dict[type, dict[object, Piece]] = {str: {}, Markup: {}, int: {}, float: {}, bool: {}}

    def remembered(value: object) -> Piece:
        results = known.get(type(value))
        if results is None:
            return encode(value)
        piece = results.get(value)
        if piece is None:
            piece = encode(value)
            if len(results) < entries and _is_kept(value) and len(piece) <= KEPT_LENGTH:
                results[value] = piece
        return piece

    return remembered


def _is_kept(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= KEPT_LENGTH and value not in THE_TIME
    # 0.0 == -0.0, which is written otherwise.
    return value != 0


def chain(steps: Sequence[Step], encode: Encode) -> Encode:
    """Filters one after the other, and the encoding of what comes out."""

    def encoded(value: object) -> Piece:
        for function, arguments, named in steps:
            value = function(value, *arguments, **named)
        return encode(value)

    return encoded


def _writing(engine: Engine, literal: Callable[[str], object]) -> Encode:
    """Write values as `engine` does, those that are `literal` text as they are."""

    def write_uncommon(value: object) -> bytes:
        if type(value) is int or type(value) is float:
            return f"{value}=\r\n".encode()
        return quoted_printable.piece(_bounded(str(to_liquid_string(value, engine.autoescape))))

    remembered = memoised(write_uncommon, VALUES_KEPT)

    def write(value: object) -> bytes:
        if type(value) is str and literal(value):
            return value.encode() + SOFT_BREAK
        if type(value) is Address:
            return value.piece
        return b"" if type(value) is Undefined else remembered(value)

    return write


def _line(value: object) -> str:
    return _bounded(value if type(value) is str else to_liquid_string(value, autoescape=False))


def _bounded(text: str) -> str:
    if len(text) > VALUE_LIMIT:
        raise Uncommon
    return text


HTML = Form(quoted_printable.piece, _writing(liquid.HTML, LITERAL_IN_HTML))
TEXT = Form(quoted_printable.piece, _writing(liquid.TEXT, LITERAL))
LINE_OF_TEXT = Form(str, _line)
