"""Formats: a body with its Liquid hidden becomes a whole HTML document with its CSS inlined."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

from markdown_it import MarkdownIt

from campaigns.content import pages
from campaigns.content.markup import BODY, document_in
from campaigns.content.mjml import from_mjml
from campaigns.content.placeholders import Hidden, Placeholders, comment, hide
from campaigns.content.source import Piece
from campaigns.content.styles import inlined

URL = r"""(https?://(?:(?!{tag})[^\s<>"])*(?<![.,;:!?)\]']))"""
LINK_FIELD = re.compile(r"\{\{\s*unsubscribe_link\s*\}\}")
# Reference links could repeat one long address thousands of times.
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).disable("reference")


def from_html(pieces: list[Piece]) -> Hidden:
    """Take HTML as it is; put a fragment into a document."""
    hidden = hide(pieces)
    prologue, source = document_in(hidden.html)
    if not BODY.search(source):
        prologue, source = "", pages.page(hidden.html)
    return hidden.become(prologue + inlined(source, hidden.placeholders))


def from_markdown(pieces: list[Piece]) -> Hidden:
    """Lay Markdown, which may hold HTML, out as a letter."""
    placeholders = Placeholders(pieces)
    words = "".join(piece.text if piece.kind == "text" else placeholders.hide(piece) for piece in pieces)
    body = MARKDOWN.render("\n".join(_markdown_lines(words, placeholders)))
    body = _rows_of_tags(placeholders).sub(lambda row: comment(row[1]), body)
    return Hidden(placeholders, [inlined(pages.letter(body), placeholders, pages.LETTER_CSS)])


def from_plain(pieces: list[Piece]) -> Hidden:
    """Show plain text in HTML as it is, with its addresses as links."""
    placeholders = Placeholders(pieces)
    words = "".join(piece.text if piece.kind == "text" else placeholders.hide(piece) for piece in pieces)
    texts_and_urls = re.split(URL.format(tag=placeholders.tag.pattern), words)
    parts = [_plain_html(part, bool(n % 2), placeholders) for n, part in enumerate(texts_and_urls)]
    body = "".join(parts).replace("\n", "<br>\n")
    return Hidden(placeholders, [pages.page(f'<div style="{pages.PLAIN_STYLE}">\n{body}\n</div>')])


FORMATS: dict[str, Callable[[list[Piece]], Hidden]] = {
    "mjml": from_mjml,
    "html": from_html,
    "markdown": from_markdown,
    "plain": from_plain,
}


def _markdown_lines(words: str, placeholders: Placeholders) -> Iterator[str]:
    """Make comments of lines that hold nothing but tags; within a table they are rows of their own."""
    in_table = False
    for line in words.split("\n"):
        if not placeholders.only_tags(line):
            in_table = "|" in line
            yield line
        elif in_table:
            yield line.strip()
        else:
            yield placeholders.tag.sub(lambda tag: comment(tag[0]), line.strip())


def _rows_of_tags(placeholders: Placeholders) -> re.Pattern[str]:
    return re.compile(rf"<tr>\s*<td[^>]*>({placeholders.tag.pattern})</td>(?:\s*<td[^>]*></td>)*\s*</tr>")


def _plain_html(part: str, is_url: bool, placeholders: Placeholders) -> str:
    text = html.escape(part)
    if is_url:
        return f'<a href="{text}">{text}</a>'
    return placeholders.token.sub(lambda token: _linked(token[0], placeholders), text)


def _linked(token: str, placeholders: Placeholders) -> str:
    is_link = LINK_FIELD.fullmatch(placeholders.source(token))
    return f'<a href="{token}">{token}</a>' if is_link else token
