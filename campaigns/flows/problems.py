"""Flows: what is wrong with one, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A sentence that says what to do, and the key of the step it is about (None: the whole flow)."""

    step: int | None
    message: str

    def __str__(self) -> str:
        return self.message if self.step is None else f"Step {self.step}: {self.message}"


class InvalidFlow(ValueError):
    """Steps that cannot be published; `problems` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(map(str, problems)))
