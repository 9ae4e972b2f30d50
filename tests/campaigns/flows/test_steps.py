"""What can be published, and what is said about what cannot."""

from __future__ import annotations

from typing import Any

import pytest

from audience import segments
from campaigns.flows.problems import InvalidFlow
from campaigns.flows.reader import read
from tests.flows import ask, jump, leave, send, split, until, update, wait, wait_for

MAIL = {"template": 1}
SUBSCRIBED = ("subscribed", "equals", True)


def problems(*steps: Any) -> list[str]:
    with pytest.raises(InvalidFlow) as refused:
        read(list(steps))
    return [str(problem) for problem in refused.value.problems]


def test_branches_come_together_below_the_step_that_branches() -> None:
    program = read([ask(1, SUBSCRIBED, yes=[send(2, **MAIL)]), wait(3, days=1), leave(4)])
    assert program.first == 1
    assert program.steps[1].exits == {"yes": 2, "no": 3}
    assert program.steps[2].exits == {"next": 3}
    assert list(program.steps) == [1, 2, 3, 4]


def test_branch_may_end_the_flow_for_those_who_take_it() -> None:
    program = read([split(1, (1, [leave(2)]), (3, [])), send(3, **MAIL), leave(4)])
    assert program.steps[1].exits == {"0": 2, "1": 3}


def test_loop_with_a_wait_can_be_published() -> None:
    read([send(1, **MAIL), wait(2, days=30), ask(3, SUBSCRIBED, yes=[jump(4, 1)]), leave(5)])
    read([wait_for(1, SUBSCRIBED, at_most={"days": 3}, no=[jump(2, 1)]), leave(3)])


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([], "The flow has no steps. Add a first one."),
        ([send(1, **MAIL)], "Step 1: Nothing follows. Add a step, or an exit."),
        (
            [ask(1, SUBSCRIBED, yes=[leave(2)])],
            "Step 1: Nothing follows its branch “no”. Add a step, or an exit.",
        ),
        (
            [leave(1), send(2, **MAIL), leave(3)],
            "Step 2: Nobody ever comes here. Remove it, or what ends the flow before it.",
        ),
        (
            [send(1, **MAIL), wait(2, days=1), jump(3, 1)],
            "Step 1: No way leads from here to an exit. Add one.",
        ),
        (
            [send(1, **MAIL), ask(2, SUBSCRIBED, yes=[jump(3, 1)]), leave(4)],
            "Step 3: Step 1 leads back here without any wait. Put a wait into the loop.",
        ),
        (
            # Who arrives at nine need not wait for nine.
            [until(1, at="09:00"), ask(2, SUBSCRIBED, yes=[jump(3, 1)]), leave(4)],
            "Step 3: Step 1 leads back here without any wait. Put a wait into the loop.",
        ),
        (
            [wait_for(1, SUBSCRIBED, at_most={"days": 3}, yes=[jump(2, 1)]), leave(3)],
            "Step 2: Step 1 leads back here without any wait. Put a wait into the loop.",
        ),
        ([jump(1, 9), leave(2)], "Step 1: There is no step 9 to go to. Choose another."),
        ([send(1), leave(2)], "Step 1: No template is chosen. Choose what to send."),
        ([send(1, **MAIL), leave(1)], "Step 1: Two steps have this key. Give one of them another."),
        ([wait(1), leave(2)], "Step 1: The wait takes no time. Say how long it lasts, or remove it."),
        ([wait(1, days=-1), leave(2)], "Step 1: The days must be a whole number from 0 to 3,650."),
        (
            [wait(1, hours=2, at="09:00"), leave(2)],
            "Step 1: A wait that ends at a time of day lasts whole days. Leave out hours and minutes.",
        ),
        ([until(1, at="25:00"), leave(2)], "Step 1: A time of day is written like 09:00."),
        (
            [until(1, at="09:00", weekdays=[0]), leave(2)],
            "Step 1: The weekday must be a whole number from 1 to 7.",
        ),
        ([until(1, date="2026-02-30"), leave(2)], "Step 1: A date is written like 2026-12-24."),
        (
            [split(1, (0, [leave(2)]), (0, [leave(3)]))],
            "Step 1: Nobody would take any branch. Give one of them a weight above 0.",
        ),
        ([update(1, "Plan", "x"), leave(2)], "Step 1: No attribute is chosen. Choose which one to set."),
        ([{"key": 1, "kind": "ask"}, leave(2)], "Step 1: There is no such kind of step."),
        ([{"key": 1, "kind": "condition", "criteria": {}}, leave(2)], "Step 1: It asks nothing. Add a rule."),
        ([{"kind": "exit"}], "Each step needs a key of its own, a whole number from 1."),
    ],
)
def test_what_is_wrong_is_said(steps: list[Any], says: str) -> None:
    assert problems(*steps)[0].startswith(says)


@pytest.mark.parametrize("document", [None, 7, "x", {}, [1], [[]], {"key": 1}])
def test_anything_else_is_refused(document: object) -> None:
    with pytest.raises(InvalidFlow):
        read(document)


def test_all_problems_are_said_at_once() -> None:
    assert len(problems(send(1), wait(2, days=0), leave(3))) == 2


def test_nesting_without_end_is_refused() -> None:
    criteria: object = {"field": "subscribed"}
    for _ in range(900):
        criteria = {"all": [criteria]}
    steps = [{"key": 1, "kind": "condition", "criteria": criteria}, leave(2)]
    assert list(segments.rules_in(criteria)) == [{"field": "subscribed"}]
    read(steps)
    deep: list[Any] = [leave(99)]
    for key in range(1, 13):
        deep = [ask(key, SUBSCRIBED, yes=deep), leave(100 + key)]
    assert any("nested 10 deep" in problem for problem in problems(*deep))
