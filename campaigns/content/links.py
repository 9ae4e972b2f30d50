"""The links of a mail: collected when content is frozen and replaced by ones that count, then found again.

A counting link names its place in the mail and nothing else. Its target stands in the frozen content, so
that nobody can make one that leads elsewhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from liquid.builtin.tags.decrement_tag import DecrementNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.increment_tag import IncrementNode

from campaigns.content import liquid
from campaigns.content.compiler import with_footer
from campaigns.content.liquid import Script
from campaigns.content.markup import Tag, tags
from campaigns.content.placeholders import Placeholders
from campaigns.content.problems import RenderError, SourceError
from campaigns.content.source import joined, split

# An invisible link, which only machines follow, and the pixel, which counts opens.
BEACONS = (
    '<a href="{{ click_base }}/0" style="display:none" aria-hidden="true" tabindex="-1"></a>'
    '<img src="{{ pixel_link }}.gif" width="1" height="1" alt="" style="display:block;border:0">\n'
)
# Scheme and host, with what ends them: nothing that follows can change where the link leads.
ORIGIN = re.compile(r"(https?)://([^\s/?#@:%\\\[\]<>\"'`{}|^]+)(:\d{1,5})?(?=[/?#]|\Z)", re.IGNORECASE)
ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'<>=`]+))?")
# Browsers leave these out of an address (WHATWG URL, 4.4).
BREAKS = re.compile(r"[\t\r\n]")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# In an attribute, a name without a semicolon stays what it is before = and letters (HTML, 13.2.5.73).
ENTITY = re.compile(r"&(?:#\w+;?|\w+;|\w+(?![=\w;]))")
URL_LIMIT = 2000
TEXT_LIMIT = 100
# What the address of one recipient may be made of: known again at the click, with the customer.
ROOTS = frozenset({"customer", "customer_name", "workspace", "campaign"})
CHOICES = frozenset({"if", "elsif", "else", "endif", "unless", "endunless", "case", "when", "endcase"})


class NoTarget(Exception):
    """A link leads nowhere for this recipient."""


class Link(NamedTuple):
    """One link of a mail: its address as Liquid, and what people see of it."""

    url: str
    text: str


def track(document: str, utm: Mapping[str, str]) -> tuple[str, list[Link]]:
    """Replace the links of compiled HTML by counting ones, add what counts opens, and list what they were.

    Left as they are: other schemes, addresses whose scheme or host is Liquid, those made of a
    template's own variables, and links inside {% capture %}. `utm` is added to each target that does not
    have it.
    """
    pieces = split(document)
    placeholders = Placeholders(pieces)
    hidden = "".join(piece.text if piece.kind == "text" else placeholders.hide(piece) for piece in pieces)
    reader = _Reader(hidden, placeholders, _bound(liquid.parse(document, liquid.HTML)), utm)
    parts, position = [], 0
    for link, start, end in reader.found():
        reader.links.append(link)
        counting = placeholders.stand_in(f"{{{{ click_base }}}}/{len(reader.links)}", "o")
        parts += [hidden[position:start], f'"{counting}"']
        position = end
    tracked = placeholders.restore("".join([*parts, hidden[position:]]))
    return with_footer(tracked, BEACONS), reader.links


def target(link: Link, data: Mapping[str, object]) -> str:
    """Where a link leads the recipient whom `data` (fields.context) describes. Raises NoTarget.

    Guards that it is http or https, of the host that the author wrote, and fit for a header.
    """
    origin = ORIGIN.match(link.url)
    try:
        address = _script(link.url).run(data, liquid.Budget()) if is_personal(link) else html.escape(link.url)
    except RenderError as error:
        raise NoTarget from error
    address = BREAKS.sub("", _unescaped(address)).strip()
    found = ORIGIN.match(address)
    # What was rendered cannot have changed the origin; a redirect is worth a second look.
    if not origin or not found or found[0] != origin[0] or CONTROL.search(address):
        raise NoTarget
    if len(address) > 2 * URL_LIMIT:
        raise NoTarget
    return _with_ascii_host(address, found)


def is_personal(link: Link) -> bool:
    """Whether it leads different people to different places."""
    return "{{" in link.url or "{%" in link.url


@lru_cache(maxsize=256)
def _script(url: str) -> Script:
    """The address as it stood in the mail, where what data holds is escaped."""
    pieces = split(url)
    parts = [html.escape(piece.text) if piece.kind == "text" else piece.text for piece in pieces]
    return liquid.parse("".join(parts), liquid.HTML)


class _Reader:
    """Finds the links of a document whose Liquid is hidden."""

    def __init__(
        self, hidden: str, placeholders: Placeholders, bound: frozenset[str], utm: Mapping[str, str]
    ) -> None:
        self.links: list[Link] = []
        self._hidden = hidden
        self._placeholders = placeholders
        self._bound = bound
        self._utm = utm

    def found(self) -> Iterator[tuple[Link, int, int]]:
        """Each link that can count, with where its address begins and ends, quotes included."""
        captured = list(self._captured())
        every = list(tags(self._hidden))
        for number, tag in enumerate(every):
            if tag.name not in ("a", "area") or tag.ends:
                continue
            start, end = self._attributes(tag).get("href", (0, 0))
            if not start or any(first < start < last for first, last in captured):
                continue
            url = self._url(self._hidden[start:end])
            if url:
                yield Link(url, self._text(every, number)), start, end

    def _captured(self) -> Iterator[tuple[int, int]]:
        """The spans of {% capture %}, whose text may become anything."""
        start = 0
        for token in self._placeholders.tag.finditer(self._hidden):
            name = self._placeholders.tag_name(token[0])
            if name == "capture":
                start = start or token.start()
            elif name == "endcapture":
                yield start, token.end()
                start = 0

    def _attributes(self, tag: Tag) -> dict[str, tuple[int, int]]:
        """Where the value of each attribute is; of two with one name, the first counts."""
        found: dict[str, tuple[int, int]] = {}
        for attribute in ATTRIBUTE.finditer(self._hidden, tag.position + 1 + len(tag.name), tag.end - 1):
            if attribute[2]:
                found.setdefault(attribute[1].lower(), attribute.span(2))
        return found

    def _url(self, value: str) -> str:
        """The address in Liquid, with the UTM parameters; empty if it cannot count."""
        url = BREAKS.sub("", _unescaped(value.strip("\"'"))).strip()
        origin = ORIGIN.match(url)
        if not origin or CONTROL.search(url) or self._placeholders.token.search(origin[0]):
            return ""
        try:
            _with_ascii_host(url, origin)
            source = self._placeholders.restore(with_parameters(url, self._utm))
            return source if len(source) <= URL_LIMIT and self._is_known_later(source) else ""
        except (ValueError, SourceError):
            return ""

    def _is_known_later(self, source: str) -> bool:
        """Whether the address can be made again at the click."""
        pieces = split(source) if "{{" in source or "{%" in source else []
        if any(piece.kind not in ("text", "output") and piece.name not in CHOICES for piece in pieces):
            return False
        names = set(liquid.parse(joined(pieces), liquid.HTML).analyze().globals) if pieces else set()
        return names <= ROOTS - self._bound

    def _text(self, every: Sequence[Tag], number: int) -> str:
        """What people see of the link: its words, else those that stand for an image."""
        words, attributes = "", [self._attributes(every[number])]
        if every[number].name == "a":
            anchors = (n for n in range(number + 1, len(every)) if every[n].name == "a")
            inner = every[number : next(anchors, number) + 1]
            gaps = [self._hidden[tag.end : after.position] for tag, after in pairwise(inner)]
            words = " ".join(gaps).strip()
            attributes = [self._attributes(tag) for tag in inner if tag.name == "img"]
        if not words:
            words = next((self._value(found["alt"]) for found in attributes if "alt" in found), "")
        shown = self._placeholders.restore(self._placeholders.tag.sub("", words))
        return " ".join(html.unescape(shown).split())[:TEXT_LIMIT]

    def _value(self, span: tuple[int, int]) -> str:
        return self._hidden[slice(*span)].strip("\"'")


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """Add parameters to an address, before its fragment; those it has stay. Raises ValueError."""
    scheme, host, path, query, fragment = urlsplit(url)
    present = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    missing = {name: value for name, value in parameters.items() if name not in present}
    if not missing:
        return url
    added = urlencode(missing, quote_via=quote)
    return urlunsplit((scheme, host, path, f"{query}&{added}" if query else added, fragment))


def _with_ascii_host(url: str, origin: re.Match[str]) -> str:
    """The address with its host as DNS has it (RFC 3490). Raises UnicodeError for a host that cannot be."""
    host = origin[2]
    return url if host.isascii() else url.replace(host, host.encode("idna").decode(), 1)


def _unescaped(value: str) -> str:
    """An attribute's value as browsers read it."""
    return ENTITY.sub(lambda entity: html.unescape(entity[0]), value)


def _bound(script: Script) -> frozenset[str]:
    """The names that the template itself gives a meaning."""
    loops = {str(n.expression.identifier) for n in script.descendants() if isinstance(n, ForNode)}
    counters = {str(n.name) for n in script.descendants() if isinstance(n, IncrementNode | DecrementNode)}
    return script.assigned() | loops | counters
