"""The plain text part, derived from the compiled HTML: a mail's second face, for those who read text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.html_engine import Inscriptis
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement
from lxml import html as lxml_html

from campaigns.content.markup import BODY, COMMENT, document_in
from campaigns.content.placeholders import Placeholders
from campaigns.content.problems import SourceError
from campaigns.content.source import BLOCKS

# Mail lays out with tables: a row becomes a paragraph if it holds blocks, else a line.
TABLE_PARTS = dict.fromkeys(("table", "thead", "tbody", "tfoot", "tr"), "div") | {"td": "span", "th": "span"}
BLOCK_ELEMENTS = ("br", "div", "p", "table", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol")
EMPTY_ENDS = {"endif": "if", "endunless": "unless", "endcase": "case", "endfor": "for"}
WRITING_TAGS = frozenset({"cycle", "decrement", "echo", "increment", "raw"})
BRANCHES = frozenset({"else", "elsif", "when"})
OPENING = BLOCKS | BRANCHES
# What has an empty line before and after it, written as BLANK: Inscriptis adds up margins in ways of its own.
SPACED = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote", "figure", "pre"}
)
BLANK = "\ue000"
UNSPACED = {name: HtmlElement(display=Display.block) for name in SPACED - {"ul", "ol", "pre"}}
CONFIG = ParserConfig(css=STRICT_CSS_PROFILE | UNSPACED, display_images=True)


def text_of(markup: str, placeholders: Placeholders) -> str:
    """Derive the text of `markup`, its Liquid hidden; link targets follow in angle brackets.

    Liquid tags keep their order. Those before the document and in its head are kept, since they may set
    what the text uses.
    """
    words = placeholders.commented.sub(r"\1", markup)
    prologue, document = document_in(COMMENT.sub(lambda found: _silent_tags(found[0], placeholders), words))
    try:
        root = lxml_html.document_fromstring(document)
        _simplify(root)
        text = Inscriptis(root, CONFIG).get_text()
    except RecursionError as error:
        raise SourceError(None, "The HTML is nested too deeply.") from error
    head = document[: body.start()] if (body := BODY.search(document)) else ""
    before = prologue.strip() + _silent_tags(head, placeholders)
    return _without_empty_blocks(before + _tidied(text, placeholders), placeholders) + "\n"


def _silent_tags(markup: str, placeholders: Placeholders) -> str:
    """The tags in markup that text does not show: Outlook's loops, say, go on around what it shows."""
    tags = placeholders.tag.findall(markup)
    return "".join(tag for tag in tags if placeholders.tag_name(tag) not in WRITING_TAGS)


def _simplify(root: lxml_html.HtmlElement) -> None:
    for element in list(root.iter(lxml_html.etree.Element)):
        style = element.attrib.pop("style", "").replace(" ", "").lower()
        if "display:none" in style and element is not root:
            element.drop_tree()
        elif element.tag == "a":
            _show_target(element)
        elif element.tag in ("td", "th"):
            _part_from_next_cell(element)
        elif element.tag in SPACED or (
            element.tag == "tr" and any(True for _ in element.iter(*BLOCK_ELEMENTS))
        ):
            element.addprevious(_blank_line())
            after = _blank_line(element.tail)
            element.tail = None
            element.addnext(after)
    for element in root.iter(*TABLE_PARTS):
        element.tag = TABLE_PARTS[element.tag]


def _blank_line(tail: str | None = None) -> lxml_html.HtmlElement:
    line = lxml_html.Element("div")
    line.text, line.tail = BLANK, tail
    return line


def _part_from_next_cell(cell: lxml_html.HtmlElement) -> None:
    liquid = (cell.tail or "").strip()
    cell.tail = f" {liquid}" if liquid or cell.getnext() is not None else None


def _show_target(link: lxml_html.HtmlElement) -> None:
    target = (link.get("href") or "").strip()
    shown = link.text_content().strip()
    if not target or target.startswith("#") or shown in (target, target.removeprefix("mailto:")):
        return
    link.tail = f" <{target}>{link.tail or ''}"


def _tidied(text: str, placeholders: Placeholders) -> str:
    """No blanks at the ends of lines, one empty line at most, and no line that holds nothing but tags."""
    tidied: list[str] = []
    after_blank = True
    for line in _lines(text.replace(BLANK, "").replace("\N{NO-BREAK SPACE}", " "), placeholders):
        if placeholders.only_tags(line):
            tidied.append("".join(line.split()))
        elif line or not after_blank:
            tidied.append(line + "\n")
            after_blank = not line
    return "".join(tidied).strip()


def _lines(text: str, placeholders: Placeholders) -> Iterator[str]:
    """Lines, with tags at their ends that open a block on lines of their own: the break is before them."""
    for line in map(str.strip, text.split("\n")):
        words = re.split(f"({placeholders.tag.pattern})", line)
        end = len(words)
        while end > 2 and not words[end - 1].strip() and placeholders.tag_name(words[end - 2]) in OPENING:
            end -= 2
        text_only, tags = "".join(words[:end]).rstrip(), "".join(words[end:])
        yield from (text_only, tags) if text_only and tags else (text_only or tags,)


def _without_empty_blocks(text: str, placeholders: Placeholders) -> str:
    """Drop conditions and loops that have nothing left to show: their work would be done for every mail."""
    kept: list[str] = []
    for part in filter(None, re.split(f"({placeholders.tag.pattern})", text)):
        kept.append(part)
        if placeholders.tag_name(part) in EMPTY_ENDS:
            start = len(kept) - 2
            while start >= 0 and placeholders.tag_name(kept[start]) in BRANCHES:
                start -= 1
            if start >= 0 and placeholders.tag_name(kept[start]) == EMPTY_ENDS[placeholders.tag_name(part)]:
                del kept[start:]
    return "".join(kept)
