"""Compile a template once to what only Liquid remains to be done to, per recipient."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from campaigns.content import liquid, pages
from campaigns.content.markup import BODY
from campaigns.content.placeholders import Hidden
from campaigns.content.problems import ContentError, Field, Problem, SourceError
from campaigns.content.source import check_size, excerpt, split, trimmed

# Raise it when equal sources compile to other content, so that frozen content is not reused.
COMPILER_VERSION = 2


@dataclass(frozen=True, slots=True)
class Compiled:
    """Liquid sources for one recipient's subject, HTML and text."""

    subject: str
    html: str
    text: str


def compile_template(format: str, subject: str, preheader: str, body: str) -> Compiled:
    """Compile the sources of a template.

    The HTML is a whole document with its CSS inlined and the preheader hidden in it; the text is derived
    from it, or the body itself if that is plain. A body without `unsubscribe_link` gets a footer.
    Touches no database. Raises ContentError with every problem that could be found at once.
    """
    problems = list(_syntax_problems(format, subject, preheader, body))
    if problems:
        raise ContentError(problems)
    try:
        return Compiled(subject.strip(), *_compile_body(format, preheader, body))
    except SourceError as error:
        raise ContentError([error.problem("body")]) from error


def _syntax_problems(format: str, subject: str, preheader: str, body: str) -> Iterator[Problem]:
    """What is wrong with the Liquid of each source, at most one problem each, and with the subject."""
    if not subject.strip():
        yield Problem("subject", None, "Give the mail a subject.")
    if "\n" in subject.strip() or "\r" in subject.strip():
        yield Problem("subject", 1, "The subject must stand on one line.")
    if not body.strip():
        yield Problem("body", None, "The body is empty.")
    engine = liquid.TEXT if format == "plain" else liquid.HTML
    sources: list[tuple[Field, str, liquid.Engine]] = [
        ("subject", subject, liquid.TEXT),
        ("preheader", preheader, liquid.HTML),
        ("body", body, engine),
    ]
    for field, source, its_engine in sources:
        try:
            check_size(source)
            liquid.parse(source, its_engine)
        except SourceError as error:
            yield error.problem(field)


def _compile_body(format: str, preheader: str, body: str) -> tuple[str, str]:
    # Libraries of some megabytes, for whoever compiles: workers send what was compiled (decision 11).
    from campaigns.content.formats import FORMATS
    from campaigns.content.text import text_of

    hidden = FORMATS[format](trimmed(split(body)))
    _check_nothing_lost(hidden)
    restore = hidden.placeholders.restore
    document = _with_preheader(restore(hidden.html), preheader)
    text = body if format == "plain" else restore(text_of(hidden.html, hidden.placeholders))
    if not names_unsubscribe_link(body):
        document, text = with_footer(document, pages.FOOTER_HTML), text.rstrip() + pages.FOOTER_TEXT
    _check_compiled(document, liquid.HTML)
    _check_compiled(text, liquid.TEXT)
    return document, text


def names_unsubscribe_link(body: str) -> bool:
    script = liquid.parse(body, liquid.TEXT)
    return "unsubscribe_link" in script.analyze().globals


def with_footer(document: str, footer: str) -> str:
    """Put `footer` at the end of the document's body."""
    start, end, rest = document.rpartition("</body>")
    return start + footer + end + rest if end else document + footer


def _check_nothing_lost(hidden: Hidden) -> None:
    """Refuse Liquid that a format dropped, since it would fail silently for every recipient."""
    found = set(hidden.placeholders.token.findall(hidden.html))
    for token, line in hidden.placed:
        if token not in found:
            source = excerpt(hidden.placeholders.source(token))
            raise SourceError(
                line,
                f"{source} would be lost here. Put it inside a text, around whole elements of the body, or"
                " before the document.",
            )


def _check_compiled(source: str, engine: liquid.Engine) -> None:
    """Markup may have grown, or parted a block's two tags, as when only one of them stood in a comment."""
    if len(source) > liquid.OUTPUT_LIMIT:
        raise SourceError(None, f"The finished mail is too long: at most {liquid.OUTPUT_LIMIT:,} characters.")
    try:
        liquid.parse(source, engine)
    except SourceError as error:
        raise SourceError(None, f"Liquid and HTML overlap: {error.message}") from error


def _with_preheader(document: str, preheader: str) -> str:
    if not preheader.strip():
        return document
    pieces = trimmed(split(preheader))
    text = "".join(html.escape(piece.text) if piece.kind == "text" else piece.text for piece in pieces)
    body = BODY.search(document)
    start = body.end() if body else 0
    return document[:start] + pages.PREHEADER.format(text) + document[start:]
