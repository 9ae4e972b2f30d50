"""Flows: a few to begin with. Their mails are still to be chosen, which the editor says."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.flows.editing import Document, Raw


@dataclass(frozen=True)
class Pattern:
    """A flow to begin with, and what it is for."""

    name: str
    purpose: str
    steps: Document


def _send(key: int, name: str) -> Raw:
    return {"key": key, "kind": "send", "name": name, "template": None}


def _wait(key: int, **lasts: object) -> Raw:
    return {"key": key, "kind": "wait", "for": lasts}


def _since(key: int, kind: str, step: int, yes: Document, no: Document) -> Raw:
    criteria = {"all": [{"field": f"mail.{kind}", "operator": "since_step", "value": step}]}
    return {"key": key, "kind": "condition", "criteria": criteria, "yes": yes, "no": no}


PATTERNS = {
    "empty": Pattern("From scratch", "One mail, and the end.", [_send(1, ""), {"key": 2, "kind": "exit"}]),
    "welcome": Pattern(
        "Welcome series",
        "Three mails over a week for who has just come in; who clicked the first is spared the second.",
        [
            _send(1, "Welcome"),
            _wait(2, days=2, at="09:00"),
            _since(3, "clicked", 1, [], [_send(4, "What you can do here")]),
            _wait(5, days=5, at="09:00"),
            _send(6, "How are you getting on?"),
            {"key": 7, "kind": "exit"},
        ],
    ),
    "win_back": Pattern(
        "Win-back",
        "For who has been away: a mail, a second one for who did not open it, then a note of who stays away.",
        [
            _send(1, "We miss you"),
            _wait(2, days=4, at="10:00"),
            _since(3, "opened", 1, [{"key": 4, "kind": "exit"}], []),
            _send(5, "A last word"),
            _wait(6, days=7),
            {"key": 7, "kind": "exit"},
        ],
    ),
    "birthday": Pattern(
        "Birthday",
        "A mail at nine on the day, and a reminder a week later. Start people by a date that they have.",
        [
            {"key": 1, "kind": "wait", "until": {"at": "09:00"}},
            _send(2, "Happy birthday"),
            _wait(3, days=7, at="09:00"),
            _since(4, "clicked", 2, [], [_send(5, "Your present is waiting")]),
            {"key": 6, "kind": "exit"},
        ],
    ),
    "order": Pattern(
        "Order follow-up",
        "Thanks an hour after an order, and a question a week later. Start people by an event.",
        [
            _wait(1, hours=1),
            _send(2, "Thank you"),
            _wait(3, days=7, at="10:00"),
            _send(4, "How do you like it?"),
            {"key": 5, "kind": "exit"},
        ],
    ),
}
