"""Segments: what uses them, which only the apps downstream know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """One thing that uses a segment, and the page that it has: the name of its URL and its id."""

    segment_id: int
    name: str
    # In a word, such as "automation", and how it stands, such as "active".
    kind: str
    state: str
    # A change of the segment changes at once what it does.
    is_running: bool
    page: str
    pk: int


Finder = Callable[[Iterable[int]], list[Use]]
_finders: list[Finder] = []


def register_uses(finder: Finder) -> None:
    """Let segments know what uses them; called from AppConfig.ready()."""
    _finders.append(finder)


def uses(ids: Iterable[int]) -> dict[int, list[Use]]:
    """What uses each of these segments, what runs first. A query or two, however many they are."""
    found: dict[int, list[Use]] = {pk: [] for pk in ids}
    for finder in _finders:
        for use in finder(list(found)):
            found[use.segment_id].append(use)
    return {pk: sorted(each, key=lambda use: not use.is_running) for pk, each in found.items()}
