"""What a new template starts from: six designs, and nothing at all in each format."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from campaigns.models import Template
from campaigns.templates import Sources

FOLDER = Path(__file__).parent
# The gallery, in order: file, name, what it is good for, subject, preheader.
DESIGNS = (
    (
        "welcome.mjml",
        "Welcome",
        "The first mail, right after somebody has signed up.",
        "Welcome to {{ workspace.name }}",
        "What happens next, and three good ways to begin.",
    ),
    (
        "newsletter.mjml",
        "Newsletter",
        "One main story and two short ones, to be read rather than clicked.",
        "{{ workspace.name }}: one thing worth telling",
        "And a book that we quarrel about.",
    ),
    (
        "announcement.mjml",
        "Announcement",
        "Something new, what it changes, and what to do about it.",
        "It is here",
        "What is new, and what it changes for you.",
    ),
    (
        "sale.mjml",
        "Sale",
        "A discount, its code and its end, said once and shown everywhere.",
        "25% off everything until Sunday",
        "The code is in this mail.",
    ),
    (
        "event.mjml",
        "Event invitation",
        "When, where and why, with a QR code of the customer's own for the door.",
        "{{ customer_name | default: 'You' }}: an invitation for 14 May",
        "Sixty seats; whoever answers first has one.",
    ),
    (
        "letter.md",
        "Plain letter",
        "Words from one person to another. People answer it most.",
        "A word from {{ workspace.name }}",
        "It takes two minutes to read.",
    ),
)
FORMATS = {".mjml": Template.Format.MJML, ".md": Template.Format.MARKDOWN}
EMPTY = {
    Template.Format.MJML: """<mjml>
  <mj-body>
    <mj-section>
      <mj-column>
        <mj-text></mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
""",
    Template.Format.HTML: "<p></p>\n",
    Template.Format.MARKDOWN: "",
    Template.Format.PLAIN: "",
}


class Starter(NamedTuple):
    """Something to start from. A design is worth looking at; the others are empty."""

    key: str
    name: str
    hint: str
    sources: Sources
    is_design: bool = True


@cache
def designs() -> tuple[Starter, ...]:
    """The gallery, in order."""
    return tuple(_design(FOLDER / file, *words) for file, *words in DESIGNS)


def empty() -> tuple[Starter, ...]:
    """Nothing but the frame that a format asks for."""
    return tuple(
        Starter(f"empty-{format}", str(format.label), "", Sources(format, "", "", body), is_design=False)
        for format, body in EMPTY.items()
    )


def every() -> tuple[Starter, ...]:
    return (*designs(), *empty())


def find(key: str) -> Starter | None:
    return next((starter for starter in every() if starter.key == key), None)


def _design(path: Path, name: str, hint: str, subject: str, preheader: str) -> Starter:
    sources = Sources(FORMATS[path.suffix], subject, preheader, path.read_text("utf-8"))
    return Starter(path.stem, name, hint, sources)
