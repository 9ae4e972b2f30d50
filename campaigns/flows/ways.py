"""Flows: whether every way through one leads somewhere, and none in a circle that takes no time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from campaigns.flows.problems import Problem
from campaigns.flows.steps import Exit, Jump, Program, Step, WaitFor
from campaigns.flows.times import Duration


def problems(program: Program) -> list[Problem]:
    """What is wrong with the ways through a flow, as sentences that say what to do."""
    astray = [
        Problem(step.key, f"There is no step {step.what.to} to go to. Choose another.")
        for step in program.of_kind(Jump)
        if step.what.to not in program.steps
    ]
    return astray or [*_unreached(program), *_without_end(program), *_circles(program)]


def onward(step: Step) -> Iterable[int]:
    """The steps that may come next."""
    return [step.what.to] if isinstance(step.what, Jump) else step.exits.values()


def _unreached(program: Program) -> Iterator[Problem]:
    reached = _closure({program.first}, lambda key: onward(program.steps[key]))
    for key in program.steps:
        if key not in reached:
            yield Problem(key, "Nobody ever comes here. Remove it, or what ends the flow before it.")
            return


def _without_end(program: Program) -> Iterator[Problem]:
    before: dict[int, set[int]] = {key: set() for key in program.steps}
    for step in program.steps.values():
        for key in onward(step):
            before[key].add(step.key)
    ends = {step.key for step in program.of_kind(Exit)}
    leads_out = _closure(ends, lambda key: before[key])
    for key in program.steps:
        if key not in leads_out:
            yield Problem(key, "No way leads from here to an exit. Add one.")
            return


def _circles(program: Program) -> Iterator[Problem]:
    """A loop that one could go around without any time passing."""
    for step in program.of_kind(Jump):
        around = _closure({step.what.to}, lambda key: _at_once(program.steps[key]))
        if step.key in around:
            message = f"Step {step.what.to} leads back here without any wait. Put a wait into the loop."
            yield Problem(step.key, message)


def _at_once(step: Step) -> Iterable[int]:
    """The steps that may come next in the same moment."""
    if isinstance(step.what, Duration) and step.what.takes_time:
        return []
    if isinstance(step.what, WaitFor):
        return [step.exits["yes"]]
    return onward(step)


def _closure(start: Iterable[int], onward: Callable[[int], Iterable[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(start)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(onward(key))
    return found
