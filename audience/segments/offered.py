"""Segments: what a page needs to know to offer what may be asked: fields under headings, and operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from audience.models import Attribute, Workspace
from audience.segments.language import Field
from audience.segments.tree import MAX_RULES, rules_in
from audience.segments.values import InvalidCriteria

# By the beginning of a field's name, the longest that fits: under which heading it is offered.
HEADINGS = {"": "Customer", "attributes.": "Attributes", "engagement.": "Mails"}
# Columns whose values many people share; attributes do by their nature.
SHARED = ("language", "time_zone")


def vocabulary(known: Iterable[Field], headings: Mapping[str, str] = HEADINGS) -> dict[str, Any]:
    """These fields as JSON, each with the number of its set of operators, which many share."""
    sets: list[Any] = []
    groups: dict[str, list[Any]] = {heading: [] for heading in headings.values()}
    for field in known:
        operators = operators_of(field)
        if operators not in sets:
            sets.append(operators)
        about = {"name": field.name, "label": field.label, "operators": sets.index(operators)}
        prefix = max((prefix for prefix in headings if field.name.startswith(prefix)), key=len)
        groups[headings[prefix]].append(about | ({"suggests": True} if suggests(field) else {}))
    offered = [{"label": heading, "fields": fields} for heading, fields in groups.items() if fields]
    return {"groups": offered, "operators": sets}


def operators_of(field: Field) -> list[dict[str, Any]]:
    """What may be asked of a field, in order."""
    return [
        {"name": name, "words": operator.words, "takes": operator.takes.name}
        | ({"chooses": True} if operator.takes.choices else {})
        for name, operator in field.operators.items()
    ]


def suggests(field: Field) -> bool:
    """Whether values of a field are suggested: texts that many people share."""
    return field.type == Attribute.Type.TEXT and (
        field.name.startswith("attributes.") or field.name in SHARED
    )


def labels(workspace: Workspace, criteria: object, known: Iterable[Field]) -> list[tuple[Any, str]]:
    """What people call the values that criteria hold and that a page cannot show as they are."""
    by_name = {field.name: field for field in known}
    found = (_label(workspace, rule, by_name) for rule in islice(rules_in(criteria), MAX_RULES))
    return [*dict(filter(None, found)).items()]


def _label(
    workspace: Workspace, rule: Mapping[str, Any], known: Mapping[str, Field]
) -> tuple[Any, str] | None:
    field, operator = known.get(rule["field"]), rule.get("operator")
    asked = field.operators.get(operator) if field and isinstance(operator, str) else None
    if asked is None or asked.takes.choices is None:
        return None
    try:
        value = asked.takes.read(workspace, rule.get("value"))
    except InvalidCriteria:
        return None
    return rule["value"], asked.takes.show(value).strip('"')
