"""What changed from one version of a template to another, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.templates import Sources

CONTEXT = 3
# Comparing takes the square of this in the worst case.
MOST_LINES = 4_000
LABELS = {
    "format": _("Format"),
    "subject": _("Subject"),
    "preheader": _("Preheader"),
    "qr_inline": _("QR codes inside"),
}


class Field(NamedTuple):
    """One of the short parts, before and after."""

    label: str
    before: str
    after: str


class Line(NamedTuple):
    """A line of the body: "same", "gone", "new", or "gap" for lines that are left out."""

    kind: str
    before: int | None
    after: int | None
    text: str


class Difference(NamedTuple):
    fields: list[Field]
    lines: list[Line]

    @property
    def is_empty(self) -> bool:
        return not self.fields and not self.lines


def between(before: Sources, after: Sources) -> Difference:
    """What is different; of equal lines only the nearest."""
    fields = [
        Field(str(label), _word(getattr(before, name)), _word(getattr(after, name)))
        for name, label in LABELS.items()
        if getattr(before, name) != getattr(after, name)
    ]
    return Difference(fields, list(_lines(before.body.split("\n"), after.body.split("\n"))))


def _word(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _lines(before: list[str], after: list[str]) -> Iterator[Line]:
    if before == after:
        return
    if max(len(before), len(after)) > MOST_LINES:
        yield Line(
            "gap",
            None,
            None,
            gettext("They differ, and are too long to compare: over {most_lines:,} lines.").format(
                most_lines=MOST_LINES
            ),
        )
        return
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(CONTEXT)):
        if number:
            yield Line("gap", None, None, "…")
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                for offset, text in enumerate(before[start:end]):
                    yield Line("same", start + offset + 1, new_start + offset + 1, text)
                continue
            for place in range(start, end):
                yield Line("gone", place + 1, None, before[place])
            for place in range(new_start, new_end):
                yield Line("new", None, place + 1, after[place])
