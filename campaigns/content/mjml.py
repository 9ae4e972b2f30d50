"""MJML: checked with lines, compiled by mrml, its Liquid in place."""

from __future__ import annotations

import re
from difflib import get_close_matches

import mrml

from campaigns.content.markup import NESTING_LIMIT, Tag, document_in, tags
from campaigns.content.placeholders import Hidden, Placeholders, hide
from campaigns.content.problems import SourceError
from campaigns.content.source import Piece
from campaigns.content.styles import inlined

ELEMENTS = frozenset(
    {"mjml"}
    | {
        f"mj-{name}"
        for name in ("head", "attributes", "all", "class", "breakpoint", "font", "preview", "style")
    }
    | {f"mj-{name}" for name in ("title", "html-attributes", "html-attribute", "selector", "body", "raw")}
    | {f"mj-{name}" for name in ("wrapper", "section", "group", "column", "hero", "text", "button", "image")}
    | {f"mj-{name}" for name in ("divider", "spacer", "table", "social", "social-element", "navbar")}
    | {f"mj-{name}" for name in ("navbar-link", "carousel", "carousel-image", "accordion")}
    | {f"mj-{name}" for name in ("accordion-element", "accordion-title", "accordion-text")}
)
INLINE_STYLE = re.compile(
    r"<mj-style\b[^<>]*\binline\s*=\s*[\"']inline[\"'][^<>]*>([^<]*(?:<(?!/mj-style)[^<]*)*)(?:</mj-style\s*>)?"
)
WELL_FORMED = re.compile(r"</?[\w:-]+(?:\s+[\w:.-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'))?)*\s*/?>")
STUMBLING_BLOCKS = (
    (re.compile(r"<(?![a-zA-Z/!])"), "< begins no element here. Write &lt; for the sign itself."),
    (re.compile(r"<!--(?!\[if)(?:(?!--)[\s\S])*--(?!>)"), "MJML takes no -- inside a comment."),
    (re.compile(r"<!(?!--)|<\?"), "MJML takes no declarations such as <!DOCTYPE>, <![CDATA[ or <?xml here."),
)


def from_mjml(pieces: list[Piece]) -> Hidden:
    """Compile MJML. Liquid may stand around and inside its elements, and before <mjml>."""
    hidden = hide(pieces)
    _check(hidden)
    prologue, source = document_in(hidden.html)
    css: list[str] = []

    def collect(style: re.Match[str]) -> str:
        if hidden.placeholders.tag.search(style[1]):
            return f"<mj-style>{style[1]}</mj-style>"
        css.append(style[1])
        return ""

    source = INLINE_STYLE.sub(collect, source)
    try:
        document = mrml.to_html(source).content
    except OSError as error:
        raise _error(error, hidden) from error
    document = _without_comments_in_conditions(document, hidden.placeholders)
    if css:
        document = inlined(document, hidden.placeholders, "\n".join(css), elements=False)
    return hidden.become(prologue + document)


def _check(hidden: Hidden) -> None:
    """Find what mrml reports without a line, or not at all: unknown and unclosed elements."""
    if "<mjml" not in hidden.html:
        raise SourceError(None, "This is no MJML: it has no <mjml> element. Choose another format?")
    open_tags: list[Tag] = []
    for tag in tags(hidden.html):
        if tag.name.startswith("mj") and tag.name not in ELEMENTS:
            raise SourceError(hidden.line(tag.position), _unknown_element(tag.name))
        if tag.ends:
            _close(tag, open_tags, hidden)
        elif not tag.is_empty:
            open_tags.append(tag)
        if len(open_tags) > NESTING_LIMIT:
            message = f"Elements are nested more than {NESTING_LIMIT} deep."
            raise SourceError(hidden.line(tag.position), message)
    if open_tags:
        raise SourceError(hidden.line(open_tags[-1].position), f"<{open_tags[-1].name}> is never closed.")


def _close(tag: Tag, open_tags: list[Tag], hidden: Hidden) -> None:
    if not open_tags:
        raise SourceError(hidden.line(tag.position), f"</{tag.name}> closes nothing.")
    opened = open_tags.pop()
    if opened.name != tag.name:
        line = hidden.line(opened.position)
        message = f"</{tag.name}> stands where <{opened.name}> of line {line} must be closed first."
        raise SourceError(hidden.line(tag.position), message)


def _unknown_element(name: str) -> str:
    close = get_close_matches(name, ELEMENTS, 1)
    return f"<{name}> is not an element of MJML." + (f" Did you mean <{close[0]}>?" if close else "")


def _without_comments_in_conditions(document: str, placeholders: Placeholders) -> str:
    """Outlook's conditional comments hold markup; a comment inside one would end it."""
    parts = document.split("<![endif]-->")
    for number, part in enumerate(parts[:-1]):
        start = part.rfind("<!--[if")
        if start >= 0 and not part.startswith("<!--", part.find(">", start) + 1):
            parts[number] = part[:start] + placeholders.commented.sub(r"\1", part[start:])
    return "<![endif]-->".join(parts)


def _error(error: OSError, hidden: Hidden) -> SourceError:
    """mrml names the fault, seldom the place: look for what usually makes it stop."""
    for tag in tags(hidden.html):
        if not WELL_FORMED.fullmatch(hidden.html, tag.position, tag.end):
            message = f'<{tag.name}> has an attribute without quotes. Write name="value".'
            return SourceError(hidden.line(tag.position), message)
    for pattern, message in STUMBLING_BLOCKS:
        if found := pattern.search(hidden.html):
            return SourceError(hidden.line(found.start()), message)
    return SourceError(None, f"This MJML cannot be read: {error}.")
