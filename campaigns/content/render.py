"""Stage 6, build: what one recipient's mail says, from content compiled before."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.content import liquid, pages
from campaigns.content.compiler import Compiled, with_footer
from campaigns.models import Content

# RFC 5322, 2.1.1: no line is longer than this.
SUBJECT_LIMIT = 998
BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
FOOTER_HTML = liquid.parse(pages.FOOTER_HTML, liquid.HTML)
FOOTER_TEXT = liquid.parse(pages.FOOTER_TEXT, liquid.TEXT)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One recipient's mail, without headers."""

    subject: str
    html: str
    text: str


class Renderer:
    """Content parsed once, to be rendered for many recipients. Safe to use from several threads."""

    def __init__(self, content: Content | Compiled) -> None:
        self.subject = liquid.parse(content.subject, liquid.TEXT)
        self.html = liquid.parse(content.html, liquid.HTML)
        self.text = liquid.parse(content.text, liquid.TEXT)

    def render(self, data: Mapping[str, object]) -> Rendered:
        """Render for the recipient whom `data` (fields.context) describes.

        A part in which a condition left the unsubscribe link out gets the footer. Raises RenderError, a
        matter of this recipient alone, when a limit is passed or a filter cannot take a value.
        """
        budget = liquid.Budget()
        subject = one_line(self.subject.run(data, budget))
        document = self.html.run(data, budget)
        text = self.text.run(data, budget)
        link = str(data["unsubscribe_link"])
        if html.escape(link) not in document:
            document = with_footer(document, FOOTER_HTML.run(data, budget))
        if link not in text:
            text += FOOTER_TEXT.run(data, budget)
        return Rendered(subject, document, text)


def one_line(text: str) -> str:
    """A rendered subject as a header can hold it."""
    line = text if text.isprintable() else BREAKS.sub(" ", text)
    return line.strip()[:SUBJECT_LIMIT]
