"""CSS inlined into the elements, since many mail programs ignore style sheets."""

from __future__ import annotations

import re

import css_inline

from campaigns.content.markup import COMMENT, OPTIONAL_END, is_tame
from campaigns.content.placeholders import Placeholders

STYLE_ATTRIBUTE = re.compile(r"(\bstyle\s*=\s*)(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
STYLE_ELEMENT = re.compile(r"<style\b([^<>]*)>([^<]*(?:<(?!/style)[^<]*)*)", re.IGNORECASE)
EMPTY_STYLE = re.compile(r"<style\b[^<>]*>\s*</style>\n?")
# Characters of CSS times elements: what inlining could at most write.
WORK_LIMIT = 100_000_000
IGNORE = ' data-css-inline="ignore"'
# HTML's parser adds a tbody, but after the Liquid tags that belong into it.
TABLE_START = re.compile(rf"{COMMENT.pattern}|(<table\b[^<>]*>)(?=(?:\s|<!--[^<>]*-->)*<tr\b)", re.IGNORECASE)
ADDED_BY_PARSER = r"html|head|body|tbody|colgroup"


def inlined(document: str, placeholders: Placeholders, css: str = "", *, elements: bool = True) -> str:
    """Inline `css` and, unless told otherwise, the document's style elements.

    What cannot be inlined (media queries, :hover, rules with Liquid tags in them) stays in the head.
    A document that HTML's parser would rearrange around its Liquid tags, or could not take, is left as
    it is.
    """
    sheets = [css, *(sheet[1] for sheet in STYLE_ELEMENT.findall(document) if elements)]
    rules = sum(map(len, sheets))
    if not rules or rules * document.count("<") > WORK_LIMIT or not is_tame(document):
        return document
    prepared = TABLE_START.sub(_with_tbody, _guarded(document, placeholders))
    result = css_inline.inline(
        prepared,
        inline_style_tags=elements,
        keep_style_tags=True,
        keep_link_tags=True,
        remove_inlined_selectors=True,
        load_remote_stylesheets=False,
        extra_css=css or None,
    )
    if _order(result, placeholders) != _order(prepared, placeholders):
        return document
    return EMPTY_STYLE.sub("", result.replace(IGNORE, ""))


def _guarded(document: str, placeholders: Placeholders) -> str:
    """Hide style attributes that hold Liquid, and keep style elements with tags from being inlined."""
    token = placeholders.token

    def guard_attribute(style: re.Match[str]) -> str:
        value = style[2] if style[3] is None else style[3]
        if not token.search(value):
            return style[0]
        return f'{style[1]}"--{placeholders.stand_in(value.replace(chr(34), "&quot;"))}:0"'

    def guard_element(style: re.Match[str]) -> str:
        if placeholders.tag.search(style[2]):
            return f"<style{style[1]}{IGNORE}>{style[2]}"
        return style[0]

    return STYLE_ELEMENT.sub(guard_element, STYLE_ATTRIBUTE.sub(guard_attribute, document))


def _with_tbody(found: re.Match[str]) -> str:
    return f"{found[1]}<tbody>" if found[1] else found[0]


def _order(document: str, placeholders: Placeholders) -> list[str]:
    """Elements and Liquid tags in their order; empty without tags, when order cannot go wrong."""
    tag = placeholders.commented.pattern
    if not re.search(tag, document):
        return []
    starts = rf"<(?!(?:{ADDED_BY_PARSER})\b)[a-z][^\s/>]*"
    ends = rf"</(?!(?:{'|'.join(OPTIONAL_END)})\b)[a-z][^\s/>]*"
    return [found[0].lower() for found in re.finditer(f"{starts}|{ends}|{tag}", document, re.IGNORECASE)]
