"""Stage 6, build: one recipient's content in the form in which it travels, at the speed of bulk mail."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple

from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode

from campaigns.content import pieces, quoted_printable
from campaigns.content.compiler import Compiled
from campaigns.content.liquid import OUTPUT_LIMIT, Script
from campaigns.content.pieces import Form, Uncommon
from campaigns.content.program import PATIENCE, Program
from campaigns.content.quoted_printable import Parted
from campaigns.content.render import SUBJECT_LIMIT, Renderer, one_line
from campaigns.models import Content

logger = logging.getLogger(__name__)

LINK = "unsubscribe_link"
# The customer's, however it is reached; the filter of this name stands behind a bar.
QR_CODE = re.compile(r"(\.\s*|\[\s*['\"])qr_code\b")


class Encoded(NamedTuple):
    """One recipient's mail, without headers: its parts as quoted-printable, in UTF-8."""

    subject: str
    text: bytes
    html: bytes


class Encoder:
    """Content compiled once, to be encoded for many recipients. Safe to use from several threads."""

    def __init__(self, content: Content | Compiled) -> None:
        self._renderer = Renderer(content)
        self._subject = Program(self._renderer.subject, pieces.LINE_OF_TEXT)
        self._text = _Part(self._renderer.text, pieces.TEXT)
        self._html = _Part(self._renderer.html, pieces.HTML)
        sources = (content.subject, content.html, content.text)
        self.shows_qr_code = any(map(QR_CODE.search, sources))
        self._has_reported = False

    def encode(self, data: Mapping[str, object]) -> Encoded:
        """What Renderer.render gives for the same data, encoded. Raises RenderError."""
        try:
            return self.encode_quickly(data)
        except Exception as error:
            # Whatever it is: a limit, a filter that cannot take a value, text that cannot be told in pieces.
            rendered = self._renderer.render(data)
            self._report(error)
            whole = quoted_printable.whole
            return Encoded(rendered.subject, whole(rendered.text), whole(rendered.html))

    def encode_quickly(self, data: Mapping[str, object]) -> Encoded:
        """The same by compiled programs alone. Raises Uncommon, and anything else that goes wrong."""
        alarm = perf_counter() + PATIENCE
        subject = "".join(self._subject.run(data, alarm))
        if len(subject) > SUBJECT_LIMIT:
            raise Uncommon
        return Encoded(one_line(subject), self._text.encode(data, alarm), self._html.encode(data, alarm))

    def _report(self, error: Exception) -> None:
        """Log, once, a fault of a program: what it could not do, Liquid did, but slowly."""
        if not isinstance(error, Uncommon | Parted) and not self._has_reported:
            self._has_reported = True
            logger.warning("a compiled template failed where Liquid did not", exc_info=error)


class _Part:
    """A body, which must show the unsubscribe link."""

    def __init__(self, script: Script, form: Form) -> None:
        self._run = Program(script, form).run
        self._form = form
        self._is_linked = any(map(_shows_link, script.nodes)) and LINK not in script.assigned()

    def encode(self, data: Mapping[str, object], alarm: float) -> bytes:
        body = b"".join(self._run(data, alarm))
        if len(body) > OUTPUT_LIMIT or not (self._is_linked or self._link(data) in body):
            raise Uncommon
        return body

    def _link(self, data: Mapping[str, object]) -> bytes:
        link: bytes = self._form.value(data[LINK])
        return link.removesuffix(quoted_printable.SOFT_BREAK)


def _shows_link(node: object) -> bool:
    """Whether every run writes the link at this node of the template."""
    if not isinstance(node, OutputNode) or not isinstance(node.expression, FilteredExpression):
        return False
    path = node.expression.left
    return isinstance(path, Path) and path.path == [LINK] and not node.expression.filters


def encoder_for(content: Content, *, tracked: bool = False) -> Encoder:
    """The encoder of frozen content, kept for the life of the process for the contents last used.

    `tracked`: with the links that count, where the content has any.
    """
    return _encoder(compiled(content, tracked=tracked))


def compiled(content: Content, *, tracked: bool = False) -> Compiled:
    """Frozen content as what it was compiled to, with its own links or with those that count."""
    html = content.tracked_html if tracked else ""
    return Compiled(content.subject, html or content.html, content.text)


@lru_cache(maxsize=16)
def _encoder(sources: Compiled) -> Encoder:
    return Encoder(sources)
