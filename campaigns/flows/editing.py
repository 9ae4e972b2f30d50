"""Flows: what the editor does to the steps of a flow. Nobody runs on them until they are published.

Each change is one function of the document; `edit` writes what it returns, unless somebody else was faster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from audience import audit
from audience.models import Workspace
from campaigns.models import Flow

Raw = dict[str, Any]
Document = list[Raw]
Change = Callable[[Document], Document]
# What a new step of each kind begins with.
BLANK: dict[str, Raw] = {
    "send": {"template": None},
    "wait": {"for": {"days": 1}},
    "wait_for": {"criteria": {}, "at_most": {"days": 3}, "yes": [], "no": []},
    "condition": {"criteria": {}, "yes": [], "no": []},
    "split": {"branches": [{"name": "A", "weight": 1, "steps": []}, {"name": "B", "weight": 1, "steps": []}]},
    "update": {"attribute": "", "value": None},
    "jump": {"to": None},
    "exit": {},
}
NO_STEPS = f"Each step is an object with a kind ({', '.join(BLANK)}) and a key, a number of its own."


class CannotEdit(Exception):
    """The change cannot be made; the message says why, and nothing was changed."""


@dataclass(frozen=True)
class Place:
    """A gap between steps: before the step that is number `index` of a lane.

    A lane is the flow itself (no owner), or one of the ways out of its owner: "yes", "no", a number.
    """

    owner: int | None
    way: str
    index: int


def fingerprint(document: object) -> str:
    """Says which state of the steps a page shows."""
    written = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(written.encode(), digest_size=8).hexdigest()


def edit(flow: Flow, seen: str, change: Change) -> None:
    """Write what `change` makes of the steps, if they are still those that were seen. Raises CannotEdit."""
    with transaction.atomic():
        held = Flow.objects.select_for_update().get(pk=flow.pk)
        if fingerprint(held.steps) != seen:
            raise CannotEdit("Somebody else has changed this flow meanwhile. This is how it stands now.")
        held.steps = change(deepcopy(held.steps))
        held.save(update_fields=["steps", "updated_at"])
    flow.steps = held.steps


def save(workspace: Workspace, flow: Flow | None = None, **columns: Any) -> Flow:
    """Make a flow, or write the given columns (`name`, `steps`) of one; steps are checked on publishing.

    Raises ValidationError with messages by field, and then nothing is written. May be repeated.
    """
    row = flow or Flow(workspace=workspace)
    for column, value in columns.items():
        setattr(row, column, value)
    if not can_be_drawn(row.steps):
        raise ValidationError({"steps": NO_STEPS})
    row.full_clean()
    with transaction.atomic():
        held = Flow.objects.select_for_update().filter(pk=row.pk).values(*columns).first()
        if flow is None:
            row.save(force_insert=True)
        else:
            row.save(update_fields=[*columns, "updated_at"])
        if held is None:
            audit.record("added", row, workspace=workspace, after=columns)
        else:
            audit.changed(row, held, columns, workspace=workspace)
    row.refresh_from_db()
    return row


def add(flow: Flow, kind: str, place: Place) -> tuple[int, Change]:
    """A new step of a kind at a place: its key, and the change."""
    if kind not in BLANK:
        raise CannotEdit("There is no such kind of step.")
    key = next_key(flow)

    def change(document: Document) -> Document:
        lane = lane_of(document, place)
        lane.insert(place.index, {"key": key, "kind": kind} | deepcopy(BLANK[kind]))
        return document

    return key, change


def remove(key: int) -> Change:
    """Without a step and all that stands on its branches."""

    def change(document: Document) -> Document:
        lane, index = _find(document, key)
        del lane[index]
        return document

    return change


def move(key: int, place: Place) -> Change:
    """A step, with its branches, at another place; `index` counts without it."""

    def change(document: Document) -> Document:
        lane, index = _find(document, key)
        step = lane.pop(index)
        if place.owner in {inner["key"] for inner in _walk([step])}:
            raise CannotEdit("A step cannot be moved into one of its own branches.")
        lane_of(document, place).insert(place.index, step)
        return document

    return change


def shift(key: int, by: int) -> Change:
    """A step one place up (-1) or down (1); at the end of a branch it comes out of it."""

    def change(document: Document) -> Document:
        lane, index = _find(document, key)
        if 0 <= index + by < len(lane):
            lane.insert(index + by, lane.pop(index))
            return document
        owner = next((step for step in _walk(document) if any(lane is way for _, way in ways(step))), None)
        if owner is None:
            return document
        outer, at = _find(document, owner["key"])
        outer.insert(at + (by > 0), lane.pop(index))
        return document

    return change


def replace(key: int, settings: Raw) -> Change:
    """A step with other settings; its key and kind stay, and so do its branches where it keeps them."""

    def change(document: Document) -> Document:
        lane, index = _find(document, key)
        old = lane[index]
        new = {"key": key, "kind": old["kind"]} | settings
        if old["kind"] == "split":
            kept = [way for _, way in ways(old)]
            for number, branch in enumerate(new["branches"]):
                branch["steps"] = kept[number] if number < len(kept) else []
        else:
            new |= dict(ways(old))
        lane[index] = new
        return document

    return change


def find(document: Document, key: int) -> Raw:
    """The step with this key. Raises CannotEdit."""
    lane, index = _find(document, key)
    return lane[index]


def next_key(flow: Flow) -> int:
    """A key that no step of the flow has or had: the ledger knows steps by it."""
    versions = flow.versions.values_list("steps", flat=True)
    return 1 + max(
        (step["key"] for document in (flow.steps, *versions) for step in _walk(document)), default=0
    )


def can_be_drawn(document: object) -> bool:
    """Whether the steps are at least steps, each with a key of its own; else they are mended as text."""
    if not isinstance(document, list):
        return False
    try:
        keys = [step["key"] for step in _walk(document)]
        kinds = {step["kind"] for step in _walk(document)}
    except (TypeError, KeyError, AttributeError, RecursionError):
        return False
    return all(type(key) is int for key in keys) and len(keys) == len({*keys}) and kinds <= BLANK.keys()


def ways(step: Raw) -> list[tuple[str, Document]]:
    """The branches of a step with their steps, by the name of the way."""
    match step["kind"]:
        case "condition" | "wait_for":
            return [(way, step.setdefault(way, [])) for way in ("yes", "no")]
        case "split":
            branches = step.get("branches", [])
            return [(str(number), branch.setdefault("steps", [])) for number, branch in enumerate(branches)]
    return []


def lane_of(document: Document, place: Place) -> Document:
    """The steps among which a place lies. Raises CannotEdit."""
    if place.owner is None:
        return document
    for way, lane in ways(find(document, place.owner)):
        if way == place.way:
            return lane
    raise CannotEdit("That branch does not exist any more.")


def _walk(document: Document) -> Iterator[Raw]:
    for step in document:
        yield step
        for _, lane in ways(step):
            yield from _walk(lane)


def _find(document: Document, key: int) -> tuple[Document, int]:
    for lane in _lanes(document):
        for index, step in enumerate(lane):
            if step["key"] == key:
                return lane, index
    raise CannotEdit("That step does not exist any more.")


def _lanes(document: Document) -> Iterator[Document]:
    yield document
    for step in _walk(document):
        for _, lane in ways(step):
            yield lane
