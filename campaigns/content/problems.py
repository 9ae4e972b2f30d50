"""What can be wrong with a template, said at save and at compile; and with one mail, said at render."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Field = Literal["subject", "preheader", "body"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to tell the author. An error stops the template, a warning does not."""

    field: Field
    line: int | None
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}" if self.line else self.message


class ContentError(Exception):
    """A template cannot be compiled; `problems` says why, for its author."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(f"In the {problem.field}: {problem}" for problem in problems))
        self.problems = list(problems)


class SourceError(Exception):
    """A fault at one line of one source, before it is known which field the source is."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message

    def problem(self, field: Field) -> Problem:
        return Problem(field, self.line, self.message)


class RenderError(Exception):
    """Content could not be rendered for one recipient. The message is for people."""
