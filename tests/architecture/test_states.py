"""The diagrams that people read and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from campaigns.lifecycle import TRANSITIONS
from campaigns.models import Enrollment
from delivery.models import SendLog

STATES = Path(__file__).parents[2] / "docs" / "states.md"
ARROW = re.compile(r"^\s+(\w+) --> (\w+): (.+)$", re.MULTILINE)


def diagram(number: int) -> list[tuple[str, str, str]]:
    blocks = re.findall(r"```mermaid\n(.*?)```", STATES.read_text("utf-8"), re.DOTALL)
    return ARROW.findall(blocks[number])


def test_campaign_diagram_is_the_transition_table() -> None:
    table = {
        (source.value, rule.target.value, action)
        for action, rule in TRANSITIONS.items()
        for source in rule.sources
    }
    assert set(diagram(0)) == table


def test_ledger_diagram_has_every_status() -> None:
    named = {name for source, target, _ in diagram(1) for name in (source, target)}
    assert named == set(SendLog.Status.values)


def test_enrollment_diagram_has_every_state_and_no_way_out_of_an_end() -> None:
    arrows = diagram(2)
    assert {name for source, target, _ in arrows for name in (source, target)} == set(Enrollment.State.values)
    assert {source for source, *_ in arrows} == set(Enrollment.OPEN)
