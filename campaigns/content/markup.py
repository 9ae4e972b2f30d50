"""Tags of HTML and MJML, read in linear time, to know what a parser written in C or Rust can take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

COMMENT = re.compile(r"<!--[\s\S]*?(?:-->|\Z)")
ATTRIBUTES = r"(?:\"[^\"]*\"|'[^']*'|[^'\"<>])*"
ELEMENT = re.compile(rf"{COMMENT.pattern}|<(/?)([a-zA-Z][\w:-]*)({ATTRIBUTES})>")
ROOT = re.compile(r"<(?:mjml|!doctype|html)\b", re.IGNORECASE)
BODY = re.compile(rf"<body\b{ATTRIBUTES}>", re.IGNORECASE)
VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
# HTML closes these by itself; people leave them open.
TABLE_PARTS = frozenset({"tr", "td", "th", "thead", "tbody", "tfoot", "colgroup"})
OPTIONAL_END = TABLE_PARTS | {"html", "head", "body", "p", "li", "dt", "dd", "option"}
UNREAD = frozenset({"style", "script", "mj-style"})
END_OF_UNREAD = re.compile(rf"</(?:{'|'.join(sorted(UNREAD))})\b", re.IGNORECASE)
# Parsers recurse per level, and the stack of a thread is small.
NESTING_LIMIT = 100
# HTML's parser repeats elements that were never closed in each later paragraph.
UNCLOSED_LIMIT = 20


class Tag(NamedTuple):
    """A start or end tag."""

    name: str
    ends: bool
    is_empty: bool
    position: int
    end: int


def tags(source: str) -> Iterator[Tag]:
    """Start and end tags in order, without those in comments and in the text of style elements."""
    position = 0
    while found := ELEMENT.search(source, position):
        position = found.end()
        if found[2]:
            name = found[2].lower()
            is_empty = name in VOID or found[3].endswith("/")
            yield Tag(name, bool(found[1]), is_empty, *found.span())
            if name in UNREAD and not found[1] and not is_empty:
                end = END_OF_UNREAD.search(source, position)
                position = end.start() if end else len(source)


def is_tame(document: str) -> bool:
    """Whether HTML's parser can take the document without running out of stack or memory."""
    open_elements: list[str] = []
    unclosed = 0
    for tag in tags(document):
        if tag.name in OPTIONAL_END or tag.is_empty:
            continue
        if not tag.ends:
            open_elements.append(tag.name)
        elif tag.name in open_elements:
            while open_elements.pop() != tag.name:
                unclosed += 1
        if len(open_elements) > NESTING_LIMIT or unclosed > UNCLOSED_LIMIT:
            return False
    return True


def document_in(source: str) -> tuple[str, str]:
    """What stands before the document, such as {% assign %}, and the document."""
    root = ROOT.search(source)
    start = root.start() if root else 0
    return source[:start], source[start:]
