"""Flows: from the stored JSON to a Program whose every step has been checked, as far as it goes by itself.

What a step names in the workspace (templates, attributes, criteria) is checked by campaigns.flows.checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any

from audience.models.customer import ATTRIBUTE_NAME
from campaigns.flows import ways
from campaigns.flows.problems import InvalidFlow, Problem
from campaigns.flows.steps import (
    MAX_DEPTH,
    MAX_STEPS,
    Condition,
    Exit,
    Jump,
    Program,
    Send,
    Split,
    Step,
    Update,
    WaitFor,
)
from campaigns.flows.times import Duration, UntilDate, UntilTime

Raw = Mapping[str, Any]
MAX_KEY = 32_767
MAX_NAME = 100
MAX_WEIGHT = 1_000
UNITS = {"months": 120, "days": 3_650, "hours": 1_000, "minutes": 10_000}
MAX_CUTOFF = 30 * 24 * 60


class _Wrong(ValueError):
    """Of one step; the message goes into its problem."""


def read(document: object) -> Program:
    """Read a flow's steps. Raises InvalidFlow with every problem that was found."""
    reader = _Reader()
    first = reader.sequence(document, None, None, 1)
    if not reader.problems and first is None:
        reader.problems.append(Problem(None, "The flow has no steps. Add a first one."))
    if reader.problems or first is None:
        raise InvalidFlow(reader.problems)
    program = Program(first, reader.steps)
    if problems := ways.problems(program):
        raise InvalidFlow(problems)
    return program


class _Reader:
    def __init__(self) -> None:
        self.steps: dict[int, Step] = {}
        self.problems: list[Problem] = []

    def sequence(self, raw: object, owner: int | None, after: int | None, depth: int) -> int | None:
        """Read steps that stand below each other; the key of the first, or `after` where there are none."""
        if not isinstance(raw, list) or not all(isinstance(step, dict) for step in raw):
            self.problems.append(Problem(owner, "Steps are a list of objects, each with a key and a kind."))
            return after
        if depth > MAX_DEPTH:
            self.problems.append(Problem(owner, f"Branches may be nested {MAX_DEPTH} deep, not deeper."))
            return after
        keys = [self._key(step) for step in raw]
        for key, step, following in zip(keys, raw, [*keys, after][1:], strict=True):
            if key is not None:
                self._step(key, step, following, depth)
        return keys[0] if keys else after

    def _key(self, raw: Raw) -> int | None:
        key = raw.get("key")
        if isinstance(key, bool) or not isinstance(key, int) or not 1 <= key <= MAX_KEY:
            self.problems.append(Problem(None, "Each step needs a key of its own, a whole number from 1."))
            return None
        if key in self.steps:
            self.problems.append(Problem(key, "Two steps have this key. Give one of them another."))
            return None
        self.steps[key] = Step(key, "", "", Exit(), {})
        if len(self.steps) == MAX_STEPS + 1:
            self.problems.append(Problem(None, f"A flow may have {MAX_STEPS} steps, not more."))
        return key

    def _step(self, key: int, raw: Raw, following: int | None, depth: int) -> None:
        # Behind what stands above it: steps come in the order in which they are written.
        self.steps[key] = self.steps.pop(key)
        try:
            kind = raw.get("kind")
            if not isinstance(kind, str) or kind not in KINDS:
                raise _Wrong(f"There is no such kind of step. Choose among {', '.join(KINDS)}.")
            what = KINDS[kind](raw)
            name = _text(raw.get("name", ""), "name", MAX_NAME)
        except _Wrong as wrong:
            self.problems.append(Problem(key, str(wrong)))
            what, kind, name = Exit(), "", ""
        exits = {
            outcome: self._way(key, steps, following, depth, outcome)
            for outcome, steps in _branches(what, raw).items()
        }
        self.steps[key] = Step(
            key, kind, name, what, {outcome: to for outcome, to in exits.items() if to is not None}
        )

    def _way(self, key: int, steps: object, following: int | None, depth: int, outcome: str) -> int | None:
        to = following if steps is None else self.sequence(steps, key, following, depth + 1)
        if to is None:
            where = "" if outcome == "next" else f" its branch “{outcome}”"
            self.problems.append(Problem(key, f"Nothing follows{where}. Add a step, or an exit."))
        return to


def _branches(what: Any, raw: Raw) -> dict[str, Any]:
    """The ways out of a step, with the steps on each; None: straight on."""
    match what:
        case Exit():
            return {}
        case Jump():
            return {}
        case Condition() | WaitFor():
            return {outcome: raw.get(outcome, []) for outcome in ("yes", "no")}
        case Split():
            return {str(number): branch.get("steps", []) for number, branch in enumerate(raw["branches"])}
    return {"next": None}


# --- One reader for each kind of step ----------------------------------------------------------------


def _send(raw: Raw) -> Send:
    template = raw.get("template")
    if not _is_id(template):
        raise _Wrong("No template is chosen. Choose what to send.")
    sender, cutoff = raw.get("sender"), raw.get("cutoff")
    if sender is not None and not _is_id(sender):
        raise _Wrong("The sender is the id of one, or left out for the campaign's own.")
    if cutoff is not None:
        cutoff = _whole(cutoff, "cutoff (minutes)", 1, MAX_CUTOFF)
    return Send(int(template), sender, cutoff)  # type: ignore[arg-type]


def _wait(raw: Raw) -> Duration | UntilDate | UntilTime:
    if isinstance(raw.get("for"), dict) and "until" not in raw:
        return duration(raw["for"])
    until = raw.get("until")
    if not isinstance(until, dict) or "for" in raw:
        raise _Wrong('Say how long to wait: "for" a duration, or "until" a date or a time of day.')
    if "date" in until:
        return UntilDate(_date(until["date"]), _time(until["at"]) if until.get("at") else time())
    weekdays = until.get("weekdays") or []
    if not isinstance(weekdays, list):
        raise _Wrong("Weekdays are a list of numbers, 1 for Monday to 7 for Sunday.")
    return UntilTime(_time(until.get("at")), frozenset(_whole(day, "weekday", 1, 7) for day in weekdays))


def duration(raw: object) -> Duration:
    """A duration as it is written: months, days, hours and minutes, and the time of day that it ends at."""
    if not isinstance(raw, dict) or raw.keys() - {*UNITS, "at"}:
        raise _Wrong(f"A duration has {', '.join(UNITS)} and at, and nothing beside.")
    at = _time(raw["at"]) if raw.get("at") else None
    units = {unit: _whole(raw.get(unit) or 0, unit, 0, most) for unit, most in UNITS.items()}
    if at is not None and (units["hours"] or units["minutes"]):
        raise _Wrong("A wait that ends at a time of day lasts whole days. Leave out hours and minutes.")
    if at is None and not any(units.values()):
        raise _Wrong("The wait takes no time. Say how long it lasts, or remove it.")
    return Duration(**units, at=at)


def _wait_for(raw: Raw) -> WaitFor:
    at_most = duration(raw.get("at_most"))
    if not at_most.takes_time:
        raise _Wrong("Say how long to wait at most, such as 3 days.")
    return WaitFor(_criteria(raw), at_most)


def _condition(raw: Raw) -> Condition:
    return Condition(_criteria(raw))


def _split(raw: Raw) -> Split:
    branches = raw.get("branches")
    if not isinstance(branches, list) or not 2 <= len(branches) <= 10:
        raise _Wrong("A split has 2 to 10 branches.")
    if not all(isinstance(branch, dict) for branch in branches):
        raise _Wrong('A branch is {"name": ..., "weight": ..., "steps": [...]}.')
    weights = tuple(_whole(branch.get("weight"), "weight", 0, MAX_WEIGHT) for branch in branches)
    if not any(weights):
        raise _Wrong("Nobody would take any branch. Give one of them a weight above 0.")
    names = tuple(_text(branch.get("name", ""), "name", MAX_NAME) for branch in branches)
    return Split(names, weights)


def _update(raw: Raw) -> Update:
    attribute, value = raw.get("attribute"), raw.get("value")
    if not isinstance(attribute, str) or not re.fullmatch(ATTRIBUTE_NAME, attribute):
        raise _Wrong("No attribute is chosen. Choose which one to set.")
    if value is not None and not isinstance(value, str | int | float | bool):
        raise _Wrong("The value is a text, a number, true or false, or null to take it away.")
    return Update(attribute, value)


def _jump(raw: Raw) -> Jump:
    return Jump(_whole(raw.get("to"), "step to go to", 1, MAX_KEY))


def _exit(raw: Raw) -> Exit:
    return Exit()


KINDS: dict[str, Callable[[Raw], Any]] = {
    "send": _send,
    "wait": _wait,
    "wait_for": _wait_for,
    "condition": _condition,
    "split": _split,
    "update": _update,
    "jump": _jump,
    "exit": _exit,
}


# --- Values ------------------------------------------------------------------------------------------


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _criteria(raw: Raw) -> Mapping[str, Any]:
    criteria = raw.get("criteria")
    if not isinstance(criteria, dict) or not any(criteria.values()):
        raise _Wrong("It asks nothing. Add a rule.")
    return criteria


def _whole(value: object, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _Wrong(f"The {name} must be a whole number from {least} to {most:,}.")
    return value


def _text(value: object, name: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or not (value.isprintable()):
        raise _Wrong(f"The {name} must be one line of at most {most} characters.")
    return value


def _time(value: object) -> time:
    try:
        at = time.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.microsecond:
        raise _Wrong("A time of day is written like 09:00.")
    return at


def _date(value: object) -> date:
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise _Wrong("A date is written like 2026-12-24.") from None
