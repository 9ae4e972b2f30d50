"""The criteria of a flow's steps: what the builder offers for them, and what it is answered."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audience import segments
from audience.admin.criteria import by_place, parse, written
from audience.models import Attribute
from audience.segments import Field
from audience.segments.offered import operators_of
from campaigns.flows import conditions
from campaigns.models import Flow

HEADINGS = {
    "mail.": _("The mails of this flow"),
    conditions.EVENT: _("The event they began by"),
    "": _("Customer"),
    "attributes.": _("Attributes"),
    "engagement.": _("All mails"),
}


def shown(flow: Flow, criteria: object, sends: list[tuple[int, str]]) -> dict[str, Any]:
    """What a form of a step with criteria needs; `sends` are the steps whose mails may be asked about."""
    known = [*conditions.own_fields(), *segments.fields(flow.workspace)]
    of_event = Field(conditions.EVENT, gettext("a property of the event"), "event", {})
    words = segments.vocabulary([*known, of_event], {key: str(words) for key, words in HEADINGS.items()})
    more = {
        "workspace": flow.workspace_id,
        "labels": segments.labels(flow.workspace, criteria, known),
        "choices": {conditions.STEP.name: sends},
        "event": {
            type_.value: {"label": type_.label, "operators": len(words["operators"]) + number}
            for number, type_ in enumerate(Attribute.Type)
        },
    }
    words["operators"] += [
        operators_of(conditions.of_event(conditions.EVENT, type_)) for type_ in Attribute.Type
    ]
    return {"vocabulary": words | more, "criteria_text": written(criteria or {"all": []})}


def answer(flow: Flow, text: str) -> dict[str, Any]:
    """Criteria in words and how many meet them, or what is wrong with them and where."""
    try:
        criteria = parse(text or "{}")
        words = conditions.describe(flow.workspace, criteria)
        return {"words": words, "count": _count(flow, criteria)}
    except ValidationError as error:
        return {"error": error.messages[0]}
    except segments.InvalidCriteria as error:
        return {"problems": by_place(error.problems)}


def _count(flow: Flow, criteria: object) -> int | None:
    """How many customers meet criteria now; None for what is only known of people on the flow."""
    try:
        return segments.count(flow.workspace, criteria)
    except segments.InvalidCriteria:
        return None
