"""What the editor does to the steps of a flow, as short pictures of them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from campaigns.flows import editing, publishing
from campaigns.flows.drawing import Drawing, duration_in_words, names_of, wait_in_words
from campaigns.flows.editing import CannotEdit, Document, Place
from campaigns.flows.patterns import PATTERNS
from campaigns.flows.problems import InvalidFlow
from campaigns.models import Flow
from tests.factories import FlowFactory, TemplateFactory
from tests.flows import ask, leave, make_flow, send, split, update, wait

DOCUMENT = [
    send(1),
    ask(2, yes=[wait(3, days=1), send(4)], no=[leave(5)]),
    split(6, (1, [send(7)]), (1, [])),
    leave(8),
]


def picture(document: Document) -> str:
    """The keys, with the branches of a step in brackets."""
    return " ".join(
        f"{step['key']}{''.join(f'[{picture(lane)}]' for _, lane in editing.ways(step))}" for step in document
    )


def after(change: editing.Change) -> str:
    return picture(change(deepcopy(DOCUMENT)))


def test_the_picture_is_that_of_the_document() -> None:
    assert picture(deepcopy(DOCUMENT)) == "1 2[3 4][5] 6[7][] 8"


@pytest.mark.parametrize(
    ("key", "by", "expected"),
    [
        (1, -1, "1 2[3 4][5] 6[7][] 8"),
        (1, 1, "2[3 4][5] 1 6[7][] 8"),
        (6, -1, "1 6[7][] 2[3 4][5] 8"),
        (4, -1, "1 2[4 3][5] 6[7][] 8"),
        (3, -1, "1 3 2[4][5] 6[7][] 8"),
        (4, 1, "1 2[3][5] 4 6[7][] 8"),
        (8, 1, "1 2[3 4][5] 6[7][] 8"),
    ],
)
def test_a_step_goes_up_and_down_and_out_of_its_branch(key: int, by: int, expected: str) -> None:
    assert after(editing.shift(key, by)) == expected


@pytest.mark.parametrize(
    ("key", "place", "expected"),
    [
        (1, Place(None, "", 2), "2[3 4][5] 6[7][] 1 8"),
        (1, Place(2, "no", 0), "2[3 4][1 5] 6[7][] 8"),
        (2, Place(6, "1", 0), "1 6[7][2[3 4][5]] 8"),
        (4, Place(None, "", 0), "4 1 2[3][5] 6[7][] 8"),
    ],
)
def test_a_step_is_moved_with_its_branches(key: int, place: Place, expected: str) -> None:
    assert after(editing.move(key, place)) == expected


def test_a_step_is_not_moved_into_itself_and_what_is_gone_is_said() -> None:
    for change in (
        editing.move(2, Place(2, "yes", 0)),
        editing.move(1, Place(6, "7", 0)),
        editing.move(99, Place(None, "", 0)),
        editing.remove(99),
    ):
        with pytest.raises(CannotEdit):
            after(change)


def test_a_step_is_removed_with_its_branches() -> None:
    assert after(editing.remove(2)) == "1 6[7][] 8"


def test_other_settings_keep_the_branches_that_there_are() -> None:
    assert after(editing.replace(2, {"criteria": {"all": []}, "name": "x"})) == "1 2[3 4][5] 6[7][] 8"
    three = {"branches": [{"name": name, "weight": 1} for name in "ABC"]}
    assert after(editing.replace(6, three)) == "1 2[3 4][5] 6[7][][] 8"


@pytest.mark.django_db
def test_a_new_step_gets_a_key_that_no_version_has_had() -> None:
    flow = make_flow(send(1), send(7), leave(3))
    editing.edit(flow, editing.fingerprint(flow.steps), editing.remove(7))
    key, change = editing.add(flow, "wait", Place(None, "", 1))
    assert key == 8
    editing.edit(flow, editing.fingerprint(flow.steps), change)
    assert picture(Flow.objects.get().steps) == "1 8 3"


@pytest.mark.django_db
def test_of_two_who_edit_at_once_the_second_is_told() -> None:
    flow = make_flow(send(1), leave(2))
    seen = editing.fingerprint(flow.steps)
    editing.edit(flow, seen, editing.shift(1, 1))
    with pytest.raises(CannotEdit, match="Somebody else has changed this flow"):
        editing.edit(flow, seen, editing.remove(2))
    assert picture(Flow.objects.get().steps) == "2 1"


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        [1],
        [{"kind": "send"}],
        [{"key": "1", "kind": "exit"}],
        [{"key": 1, "kind": "fly"}],
        [leave(1), leave(1)],
    ],
)
def test_what_is_no_flow_is_not_drawn(document: Any) -> None:
    assert not editing.can_be_drawn(document)
    assert editing.can_be_drawn(deepcopy(DOCUMENT))


@pytest.mark.django_db
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_needs_nothing_but_its_mails_to_be_published(name: str) -> None:
    flow = FlowFactory(steps=PATTERNS[name].steps)
    assert {problem.message for problem in publishing.problems(flow)} == {
        "No template is chosen. Choose what to send."
    }
    template = TemplateFactory(workspace=flow.workspace)
    for key in Drawing(flow).sends:
        editing.edit(
            flow, editing.fingerprint(flow.steps), editing.replace(key[0], {"template": template.pk})
        )
    assert publishing.problems(flow) == []


@pytest.mark.django_db
def test_steps_are_drawn_in_words_with_their_problems() -> None:
    flow = make_flow(
        send(1, name="Hello"),
        wait(2, days=2, at="09:00"),
        split(3, (3, [update(4, "plan", 1)]), (1, [])),
        leave(5),
        published=False,
    )
    drawing = Drawing(flow)
    first, second, third, last = drawing.lane.steps
    assert (first.title, second.summary) == ("Hello", "2 days, until 09:00 by their own clock")
    assert [lane.name for lane in third.lanes] == ["A, 75%", "B, 25%"]
    assert third.lanes[0].steps[0].problems == ["There is no attribute plan. Choose another."]
    assert (drawing.count, drawing.first_problem, last.ends) == (1, 4, True)
    assert names_of(flow.steps)[2] == "Wait (step 2)"


def test_waits_are_said_in_words() -> None:
    assert duration_in_words({"months": 1, "hours": 2}) == "1 month, 2 hours"
    weekly = {"until": {"at": "10:00", "weekdays": [1, 3, 4]}}
    assert wait_in_words(weekly) == "Until 10:00 on Mon, Wed or Thu, by their own clock"
    assert wait_in_words({"until": {"date": "2027-12-24"}}) == "Until 2027-12-24, by their own clock"


def test_a_broken_flow_has_no_names() -> None:
    with pytest.raises(InvalidFlow):
        names_of([])
