"""Liquid hidden from the tools that read HTML, and put back after them.

MJML, CSS and HTML parsers would escape, move or refuse Liquid. Each piece of it is replaced by a token
that they leave alone: a comment where text may not stand, a word elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from campaigns.content.problems import SourceError
from campaigns.content.source import TAG_NAME, Piece, excerpt, joined

# Inside these, markup is text.
RAW_TEXT = frozenset({"style", "script", "title", "textarea", "mj-style", "mj-title", "mj-preview"})
# Between these, HTML allows comments but moves text out of the table.
TABLE = frozenset({"mj-table", "table", "tr", "/tr", "/td", "/th", "colgroup", "/colgroup", "/caption"}) | {
    slash + name for slash in ("", "/") for name in ("thead", "tbody", "tfoot")
}
BETWEEN_ATTRIBUTES = (
    "{} stands between attributes. Put it into a value instead, such as"
    ' class="{{% if … %}}a{{% else %}}b{{% endif %}}".'
)
# The colons tell our comments from an author's that holds nothing but Liquid.
COMMENTED = r"(?:<|&lt;)!--:({0}):--(?:>|&gt;)"


class Placeholders:
    """The tokens of one template. Equal outputs share a token, every tag has its own."""

    def __init__(self, pieces: list[Piece]) -> None:
        # Nobody can write a token by hand: it holds a digest of the whole source.
        self._prefix = "lq" + hashlib.blake2b(joined(pieces).encode(), digest_size=6).hexdigest()
        self._sources: list[str] = []
        self._outputs: dict[str, str] = {}
        self.token = re.compile(self._prefix + r"x\d+[ot]")
        self.tag = re.compile(self._prefix + r"x\d+t")
        token = self.token.pattern
        self.commented = re.compile(COMMENTED.format(token))
        self._any = re.compile(rf"{self.commented.pattern}|--({token}):\s*0|({token})")

    def hide(self, piece: Piece) -> str:
        """The token for one piece of Liquid."""
        if piece.kind != "output":
            return self.stand_in(piece.text)
        if piece.text not in self._outputs:
            self._outputs[piece.text] = self.stand_in(piece.text, "o")
        return self._outputs[piece.text]

    def stand_in(self, source: str, kind: str = "t") -> str:
        self._sources.append(source)
        return f"{self._prefix}x{len(self._sources) - 1}{kind}"

    def source(self, token: str) -> str:
        return self._sources[int(token[len(self._prefix) + 1 : -1])]

    def tag_name(self, text: str) -> str:
        """The name of the tag that `text` stands for; empty if it is no token."""
        name = TAG_NAME.match(self.source(text)) if self.tag.fullmatch(text) else None
        return name[1] if name else ""

    def only_tags(self, line: str) -> bool:
        """Whether a line holds Liquid tags and nothing else."""
        return bool(self.tag.search(line)) and not self.tag.sub("", line).strip()

    def restore(self, text: str) -> str:
        """Put the Liquid back. Braces that a tool decoded from entities are kept from being Liquid."""
        text = re.sub(r"\{[{%]", lambda brace: f'{{{{ "{brace[0]}" }}}}', text)
        return self._restored(text)

    def _restored(self, text: str) -> str:
        return self._any.sub(
            lambda found: self._restored(self.source(found[1] or found[2] or found[3])), text
        )


@dataclass(slots=True)
class Hidden:
    """Markup with its Liquid hidden, and where its lines come from."""

    placeholders: Placeholders
    _parts: list[str] = field(default_factory=list)
    # Tokens that stand between elements or in text, in order: the ones that tools may lose.
    placed: list[tuple[str, int]] = field(default_factory=list)
    _lines: list[int] = field(default_factory=list)

    @property
    def html(self) -> str:
        return "".join(self._parts)

    def add(self, text: str, line: int) -> None:
        self._parts.append(text)
        self._lines.append(line)

    def become(self, html: str) -> Hidden:
        """The same after a tool has turned it into `html`."""
        self._parts = [html]
        return self

    def line(self, position: int) -> int:
        """The line of the source for a position in the markup, before any tool."""
        line = 1
        for part, line in zip(self._parts, self._lines, strict=True):
            if position <= len(part):
                return line + part.count("\n", 0, position)
            position -= len(part)
        return line


def hide(pieces: list[Piece]) -> Hidden:
    """Replace the Liquid of HTML or MJML by tokens that fit their places.

    Raises SourceError for Liquid between attributes, where no token survives.
    """
    hidden = Hidden(Placeholders(pieces))
    reader = _Reader()
    for piece in pieces:
        if piece.kind == "text":
            reader.read(piece.text)
            hidden.add(piece.text, piece.line)
            continue
        token = hidden.placeholders.hide(piece)
        if reader.state == "tag" and not reader.in_bare_value:
            raise SourceError(piece.line, BETWEEN_ATTRIBUTES.format(excerpt(piece.text)))
        if reader.state == "text":
            hidden.placed.append((token, piece.line))
            if piece.kind != "output" or reader.element in TABLE:
                token = comment(token)
        hidden.add(token, piece.line)
    return hidden


def comment(token: str) -> str:
    return f"<!--:{token}:-->"


class _Reader:
    """Knows where in HTML the text read so far has ended."""

    TAG = re.compile(r"<(?:(!--)|(/?[a-zA-Z][^\s/>]*)|/?\Z)")
    QUOTE_OR_END = re.compile(r"[\"'>]")

    def __init__(self) -> None:
        self.state = "text"
        self.element = ""
        self.in_bare_value = False

    def read(self, text: str) -> None:
        position = 0
        while position < len(text):
            start, state = position, self.state
            step = {"text": self._text, "tag": self._tag, "comment": self._comment, "raw": self._raw}
            position = step.get(state, self._quoted)(text, position)
            if state == self.state == "tag":
                self.in_bare_value = self._ends_in_value(text[start:position])

    def _ends_in_value(self, part: str) -> bool:
        """Whether what follows belongs to a value without quotes, as in href={{ link }}."""
        words = part.split()
        if part[-1:].isspace() or not words:
            return bool(words) and words[-1].endswith("=")
        goes_on = self.in_bare_value and len(words) == 1 and not part[0].isspace()
        return goes_on or "=" in words[-1]

    def _text(self, text: str, position: int) -> int:
        match = self.TAG.search(text, position)
        if not match:
            return len(text)
        self.state = "comment" if match[1] else "tag"
        self.element = (match[2] or "").lower()
        self.in_bare_value = False
        return match.end()

    def _tag(self, text: str, position: int) -> int:
        match = self.QUOTE_OR_END.search(text, position)
        if not match:
            return len(text)
        self.state = match[0]
        if match[0] == ">":
            closed = text.endswith("/", 0, match.start())
            self.state = "raw" if self.element in RAW_TEXT and not closed else "text"
        return match.end()

    def _quoted(self, text: str, position: int) -> int:
        self.in_bare_value = False
        return self._until(self.state, "tag", text, position)

    def _comment(self, text: str, position: int) -> int:
        return self._until("-->", "text", text, position)

    def _raw(self, text: str, position: int) -> int:
        end = re.compile(rf"</{self.element}\b", re.IGNORECASE).search(text, position)
        if not end:
            return len(text)
        self.state, self.element = "tag", "/" + self.element
        return end.end()

    def _until(self, mark: str, state: str, text: str, position: int) -> int:
        end = text.find(mark, position)
        if end < 0:
            return len(text)
        self.state = state
        return end + len(mark)
