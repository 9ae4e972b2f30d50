"""Flows: how steps are written, and what they are read into.

A flow is a list of steps, one below the other; a step that branches holds lists of steps, and who comes to
the end of one of them goes on below it:

    [{"key": 1, "kind": "send", "template": 7, "sender": null, "cutoff": 720},
     {"key": 2, "kind": "wait", "for": {"days": 3, "at": "09:00"}},
     {"key": 3, "kind": "condition", "criteria": {"all": [...]},
      "yes": [{"key": 4, "kind": "exit"}],
      "no": [{"key": 5, "kind": "update", "attribute": "plan", "value": "trial"}]},
     {"key": 6, "kind": "wait", "until": {"at": "09:00", "weekdays": [1, 4]}},
     {"key": 7, "kind": "split", "branches": [{"name": "A", "weight": 1, "steps": [...]}, ...]},
     {"key": 8, "kind": "wait_for", "criteria": {...}, "at_most": {"days": 2}, "yes": [...], "no": [...]},
     {"key": 9, "kind": "jump", "to": 2}]

A step's key is a number that stays its own, from version to version: the ledger's `step`. What is read
is a Program: each step with its ways out, by which advancing goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.flows import times

MAX_STEPS = 200
MAX_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Send:
    """One mail: its template, its sender (None: the campaign's), minutes after which it is skipped."""

    template: int
    sender: int | None = None
    cutoff: int | None = None


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Until criteria hold, or the time is over."""

    criteria: Mapping[str, Any]
    at_most: times.Duration


@dataclass(frozen=True, slots=True)
class Condition:
    criteria: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Split:
    """Shares by weight; who takes which is theirs for good (campaigns.flows.shares)."""

    names: tuple[str, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """Set an attribute of the customer; None takes its value away."""

    attribute: str
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Jump:
    to: int


@dataclass(frozen=True, slots=True)
class Exit:
    pass


# What a step of each kind is called.
KIND_NAMES = {
    "send": _("Send a mail"),
    "wait": _("Wait"),
    "wait_for": _("Wait until something happens"),
    "condition": _("Condition"),
    "split": _("Split"),
    "update": _("Set an attribute"),
    "jump": _("Go to a step"),
    "exit": _("Exit"),
}

What = Send | times.Duration | times.UntilDate | times.UntilTime | WaitFor | Condition | Split | Update
What |= Jump | Exit


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does, and its ways out, by outcome."""

    key: int
    kind: str
    name: str
    what: Any
    # "next"; "yes" and "no"; of a split the number of the branch.
    exits: Mapping[str, int]

    @property
    def label(self) -> str:
        """What it is called: by its author, else by what it does; a mail by its number."""
        if self.name or self.kind == "send":
            return self.name or gettext("Step {key}").format(key=self.key)
        return gettext("{kind} (step {key})").format(kind=KIND_NAMES[self.kind], key=self.key)


@dataclass(frozen=True)
class Program:
    """A flow that has been read: its steps by key, in the order in which they are written."""

    first: int
    steps: Mapping[int, Step]

    def of_kind(self, kind: type) -> Iterator[Step]:
        return (step for step in self.steps.values() if isinstance(step.what, kind))

    def criteria(self) -> Iterator[tuple[Step, Mapping[str, Any]]]:
        """The steps that ask about the customer, with what they ask."""
        for step in self.steps.values():
            if isinstance(step.what, Condition | WaitFor):
                yield step, step.what.criteria
