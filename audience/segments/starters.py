"""Segments: a few to begin with, for whoever has none yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audience.models import Workspace
from audience.segments.queries import validate
from audience.segments.values import InvalidCriteria


@dataclass(frozen=True)
class Example:
    """A segment that many want, by the key that addresses name it with."""

    key: str
    name: str
    purpose: str
    criteria: dict[str, Any]


def _rule(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


OPTED_IN = _rule("subscribed", "equals", True)
EXAMPLES = (
    Example(
        "engaged",
        "Opted in and opened in the last 90 days",
        "The people who read what you write: the safest audience for a large campaign.",
        {"all": [OPTED_IN, _rule("engagement.opened", "in_last_days", 90)]},
    ),
    Example(
        "new",
        "New in the last 30 days",
        "A good beginning for a welcome flow.",
        {"all": [OPTED_IN, _rule("created_at", "in_last_days", 30)]},
    ),
    Example(
        "silent",
        "Silent for half a year",
        "They got mails and opened or clicked none: win them back, or leave them out.",
        {
            "all": [
                OPTED_IN,
                _rule("engagement.sent", "in_last_days", 180),
                _rule("engagement.opened", "not_in_last_days", 180),
                _rule("engagement.clicked", "not_in_last_days", 180),
            ]
        },
    ),
)


def examples(workspace: Workspace) -> list[Example]:
    """Those whose questions can be asked here."""
    return [example for example in EXAMPLES if _can_be_asked(workspace, example)]


def _can_be_asked(workspace: Workspace, example: Example) -> bool:
    try:
        validate(workspace, example.criteria)
    except InvalidCriteria:
        return False
    return True
