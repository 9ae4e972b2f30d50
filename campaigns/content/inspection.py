"""What a careful person would look at in a finished mail before it goes to thousands. It stops nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml import etree
from lxml import html as lxml_html

from campaigns.content.compiler import names_unsubscribe_link
from campaigns.content.render import Rendered
from campaigns.content.source import split

# Gmail shows no more of a mail's HTML than this, and then hides the unsubscribe link as well.
CLIPPED_AT = 102 * 1024
# Inboxes on phones show about so much of a subject.
SUBJECT_SHOWN = 60
LEADS_ELSEWHERE = frozenset({"mailto", "tel", "sms", "cid"})
HOST = re.compile(r"^[^\s/?#]+\.[^\s/?#.]+$|^localhost$")
OUTPUT = re.compile(r"\{\{-?\s*([\w.]+)\s*(.*?)-?\}\}", re.DOTALL)
NAME = re.compile(r"[A-Za-z_][\w.]*")
CONDITIONS = frozenset({"if", "elsif", "unless", "case"})


@dataclass(frozen=True)
class Finding:
    """One thing to look at, and the places where it is."""

    words: str
    places: Sequence[str] = ()


def inspect(mail: Rendered, body: str) -> list[Finding]:
    """What is doubtful in a mail as one person gets it; `body` is the template's own source."""
    root = _parsed(mail.html)
    found = [*_size(mail), *_subject(mail)]
    if not names_unsubscribe_link(body):
        found.append(Finding("The template has no unsubscribe link of its own; a footer with one is added."))
    if root is not None:
        found += [*_links(root), *_images(root)]
    return found


def printed_without_fallback(*sources: str) -> list[str]:
    """The merge fields that are written out as they are: for whom they are empty, there is a hole.

    One with a `default`, or that a condition asks about, is taken for cared for.
    """
    pieces = [piece for source in sources for piece in split(source)]
    cared = {
        name
        for piece in pieces
        if piece.name in CONDITIONS
        for name in NAME.findall(piece.text.strip("{%}-"))
    }
    found: dict[str, None] = {}
    for piece in pieces:
        printed = OUTPUT.fullmatch(piece.text) if piece.kind == "output" else None
        if printed and "default" not in printed[2] and printed[1] not in cared:
            found[printed[1]] = None
    return [*found]


def _parsed(document: str) -> lxml_html.HtmlElement | None:
    try:
        return lxml_html.document_fromstring(document)
    except (etree.ParserError, ValueError):
        return None


def _size(mail: Rendered) -> Iterator[Finding]:
    size = len(mail.html.encode())
    if size > CLIPPED_AT:
        yield Finding(
            f"The HTML has {size // 1024:,} kB. Gmail shows the first {CLIPPED_AT // 1024} kB only, and cuts "
            "off the unsubscribe link with the rest. Shorten it."
        )


def _subject(mail: Rendered) -> Iterator[Finding]:
    if len(mail.subject) > SUBJECT_SHOWN:
        yield Finding(
            f"The subject has {len(mail.subject)} characters; phones show about {SUBJECT_SHOWN} of them."
        )


def _links(root: lxml_html.HtmlElement) -> Iterator[Finding]:
    links = {
        str(a.get("href")).strip(): " ".join(a.text_content().split())
        for a in root.iter("a")
        if a.get("href") is not None
    }
    plain = [_place(url, text) for url, text in links.items() if url.lower().startswith("http://")]
    broken = [_place(url, text) for url, text in links.items() if not _leads_somewhere(url)]
    if broken:
        yield Finding("These links lead nowhere. Write them with https:// and the whole address.", broken)
    if plain:
        yield Finding("These links are not encrypted. Write https:// where the site allows it.", plain)


def _leads_somewhere(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if url.startswith("#") or parts.scheme in LEADS_ELSEWHERE:
        return len(url) > 1
    return parts.scheme in ("http", "https") and bool(HOST.match(host)) and " " not in url


def _images(root: lxml_html.HtmlElement) -> Iterator[Finding]:
    silent = [str(img.get("src", ""))[:120] for img in root.iter("img") if img.get("alt") is None]
    if silent:
        yield Finding(
            "These images have no alternative text, for those who do not see them. "
            "Decoration gets an empty one.",
            silent,
        )


def _place(url: str, text: str) -> str:
    return f"{text}: {url}" if text else url or "(no address)"
