"""A template's source as pieces of text and Liquid, read in linear time before any tool sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from campaigns.content.problems import SourceError

SOURCE_LIMIT = 256 * 1024
TAGS_LIMIT = 5000
TAG_LIMIT = 2000

OPENING = re.compile(r"\{\{|\{%")
TAG_NAME = re.compile(r"\{%-?\s*(#|\w+)")
# Liquid's own lexer needs quadratic time for these; no author needs them.
LONG_BLANK = re.compile(r"\s{100}")
END_RAW = re.compile(r"\{%-?\s*(end)raw\s*-?%\}")
COMMENT = re.compile(r"\{%-?\s*(end)?comment\b[^%]*%\}")
BLOCKS = frozenset({"if", "unless", "case", "for", "capture", "ifchanged"})
VERBATIM = frozenset({"raw", "comment"})
# No include or render, which read other templates; no tablerow, whose loops Liquid does not count.
SINGLE = frozenset(
    {"assign", "break", "continue", "cycle", "decrement", "echo", "else", "elsif", "increment", "when", "#"}
)
TAGS = BLOCKS | VERBATIM | SINGLE
CLOSING = frozenset(f"end{name}" for name in BLOCKS)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text, an output `{{ }}`, a tag `{% %}`, or a whole raw or comment block."""

    kind: Literal["text", "output", "tag", "raw", "comment"]
    text: str
    line: int

    @property
    def name(self) -> str:
        match = TAG_NAME.match(self.text)
        return match[1] if match else ""


def split(source: str) -> list[Piece]:
    """Split `source` into pieces that, joined, render as the source does.

    Raises SourceError for unknown tags, for Liquid that is not closed and for blocks that do not match.
    Comments keep their line breaks only, so that lines can still be counted.
    """
    pieces = list(_pieces(source))
    _match_blocks(pieces)
    return pieces


def check_size(source: str) -> None:
    """Refuse what would take seconds to compile."""
    if len(source) > SOURCE_LIMIT:
        raise SourceError(None, f"This is too long: at most {SOURCE_LIMIT // 1024} kB are allowed.")
    if len(OPENING.findall(source)) > TAGS_LIMIT:
        raise SourceError(None, f"There is too much Liquid in this: at most {TAGS_LIMIT:,} tags are allowed.")


def joined(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def trimmed(pieces: list[Piece]) -> list[Piece]:
    """Apply whitespace control (`{{-`, `-%}`) to the text, and drop comments.

    Done before formatting, since afterwards the neighbouring whitespace is another.
    """
    kept = []
    for before, piece, after in zip([None, *pieces], pieces, [*pieces[1:], None], strict=False):
        if piece.kind == "text":
            kept.append(_stripped(piece, before, after))
        elif piece.kind != "comment" and piece.name != "#":
            kept.append(replace(piece, text=_without_dashes(piece.text)))
    return kept


def _stripped(piece: Piece, before: Piece | None, after: Piece | None) -> Piece:
    text, line = piece.text, piece.line
    if before and before.text[-3] == "-":
        text = text.lstrip()
        line += piece.text[: len(piece.text) - len(text)].count("\n")
    if after and after.text[2] == "-":
        text = text.rstrip()
    return replace(piece, text=text, line=line)


def _without_dashes(text: str) -> str:
    start = 3 if text[2] == "-" else 2
    end = -3 if text[-3] == "-" and len(text) > 5 else -2
    return text[:2] + text[start:end] + text[-2:]


def _pieces(source: str) -> Iterator[Piece]:
    position, line = 0, 1
    while match := OPENING.search(source, position):
        if match.start() > position:
            text = source[position : match.start()]
            yield Piece("text", text, line)
            line += text.count("\n")
        piece, position = _liquid(source, match.start(), line)
        yield piece
        line += piece.text.count("\n")
    if position < len(source):
        yield Piece("text", source[position:], line)


def _liquid(source: str, start: int, line: int) -> tuple[Piece, int]:
    """The Liquid that begins at `start`, and where it ends."""
    output = source.startswith("{{", start)
    end = source.find("}}" if output else "%}", start + 2) + 2
    if end == 1:
        raise SourceError(line, f"{excerpt(source[start:])} is never closed.")
    tag = Piece("output" if output else "tag", source[start:end], line)
    if len(tag.text) > TAG_LIMIT or LONG_BLANK.search(tag.text):
        raise SourceError(
            line, f"{excerpt(tag.text)} is too long: at most {TAG_LIMIT} characters are allowed."
        )
    return _verbatim(source, tag, end) if not output and tag.name in VERBATIM else (tag, end)


def _verbatim(source: str, tag: Piece, inner_start: int) -> tuple[Piece, int]:
    """A raw or comment block. Comments nest, raw blocks do not."""
    end_tag = END_RAW if tag.name == "raw" else COMMENT
    depth = 1
    for match in end_tag.finditer(source, inner_start):
        depth += -1 if match[1] else 1
        if depth == 0:
            inner = source[inner_start : match.start()]
            if tag.name == "comment":
                inner = "\n" * inner.count("\n")
            kind: Literal["raw", "comment"] = "raw" if tag.name == "raw" else "comment"
            return Piece(kind, tag.text + inner + match[0], tag.line), match.end()
    raise SourceError(tag.line, _unclosed(tag))


def _match_blocks(pieces: list[Piece]) -> None:
    """Refuse blocks that are not closed, or closed in the wrong order: Liquid gives no line for them."""
    open_tags: list[Piece] = []
    for tag in pieces:
        if tag.kind != "tag":
            continue
        if tag.name in BLOCKS:
            open_tags.append(tag)
        elif tag.name in CLOSING:
            _close(open_tags, tag)
        elif tag.name not in SINGLE:
            raise SourceError(tag.line, _unknown(tag))
        elif tag.name in {"break", "continue"} and "for" not in {opened.name for opened in open_tags}:
            raise SourceError(tag.line, f"{excerpt(tag.text)} stands outside of a loop.")
    if open_tags:
        raise SourceError(open_tags[-1].line, _unclosed(open_tags[-1]))


def _close(open_tags: list[Piece], tag: Piece) -> None:
    if not open_tags:
        raise SourceError(tag.line, f"{excerpt(tag.text)} closes nothing.")
    opened = open_tags.pop()
    if opened.name != tag.name[3:]:
        raise SourceError(opened.line, f"{_unclosed(opened)[:-1]} before line {tag.line}.")


def _unknown(tag: Piece) -> str:
    close = get_close_matches(tag.name, [*TAGS, *CLOSING], 1)
    hint = f"Did you mean {close[0]}?" if close else f"Use one of {', '.join(sorted(TAGS - {'#'}))}."
    return f"{excerpt(tag.text)} is not a tag that templates may use. {hint}"


def _unclosed(tag: Piece) -> str:
    return f"{excerpt(tag.text)} is never closed by {{% end{tag.name} %}}."


def excerpt(text: str) -> str:
    """The beginning of `text` on one line, to quote in a message."""
    line = " ".join(text[:200].split())
    return line if len(line) <= 60 else line[:59] + "…"
