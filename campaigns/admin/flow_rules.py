"""Criteria as rows of a form: what is asked, how, and the value; a tree with groups in it stays text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audience import segments
from audience.models import Attribute, Workspace
from audience.segments import Field
from campaigns.flows import conditions
from campaigns.models import Campaign

EVENT = "event."
# By the beginning of a field's name: under which heading it is offered.
GROUPS = {
    "mail.": "The mails of this flow",
    EVENT: "The event they began by",
    "attributes.": "Attributes",
    "engagement.": "All mails",
    "": "Customer",
}
MOST_ROWS = 50
Offered = Mapping[str, Field]


@dataclass(frozen=True)
class Row:
    """One rule of the form."""

    number: int
    field: str
    operator: str
    operators: list[tuple[str, str]]
    # What the operator takes, by its name.
    takes: str
    value: str
    # Of an event: the name of the property, and its type.
    property: str = ""
    type: str = ""


@dataclass(frozen=True)
class Rules:
    """The rows, how they are joined, and what may be asked; `text` instead where there are groups."""

    joiner: str
    rows: list[Row]
    fields: list[tuple[str, list[tuple[str, str]]]]
    campaigns: list[tuple[int, str]]
    text: str = ""
    types = Attribute.Type.choices


def drawn(workspace: Workspace, criteria: object) -> Rules:
    """Criteria as the form shows them."""
    offered = {field.name: field for field in (*conditions.own_fields(), *segments.fields(workspace))}
    joiner, nodes = _group(criteria)
    names = list(Campaign.objects.of(workspace).order_by("-id").values_list("pk", "name")[:100])
    if nodes is None:
        return Rules("all", [], [], [], json.dumps(criteria, indent=2, ensure_ascii=False))
    rows = [_row(number, node, offered) for number, node in enumerate(nodes)]
    return Rules(joiner, rows, _choices(offered), names)


def read(data: Mapping[str, str]) -> Any:
    """What the form says, as criteria; what cannot be right stays as it was written, and is complained of."""
    if "criteria" in data:
        try:
            return json.loads(data["criteria"] or "{}")
        except (json.JSONDecodeError, RecursionError):
            return {}
    nodes = list(_nodes(data))
    return {"any" if data.get("joiner") == "any" else "all": nodes} if nodes else {}


def _nodes(data: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for number in range(MOST_ROWS):
        field = data.get(f"field-{number}")
        if not field or data.get("drop") == str(number):
            continue
        type_ = data.get(f"type-{number}", "text")
        if field == EVENT:
            field = EVENT + (data.get(f"property-{number}", "").strip() or "name")
        rule = {"field": field, "operator": data.get(f"operator-{number}", "")}
        takes = data.get(f"takes-{number}", "nothing")
        value = _value(takes, data.get(f"value-{number}", "").strip()[:2_000])
        if field.startswith(EVENT) and takes == "nothing":
            # Its type is that of the value.
            value = _value({"boolean": "yes or no"}.get(type_, type_), "")
        yield rule | ({} if takes == "nothing" else {"value": value})


def _value(takes: str, text: str) -> Any:
    for several in ("list of ", "two of "):
        if takes.startswith(several):
            return [
                _value(takes.removeprefix(several), part.strip()) for part in text.split(",") if part.strip()
            ]
    if takes == "yes or no":
        return text != "no"
    if takes in ("number", "days", "campaign", "step"):
        return number(text)
    return text


def number(text: str) -> int | float | str | None:
    """A number as it was written; None of nothing, and what is none as it is, to be complained of."""
    try:
        return int(text) if text else None
    except ValueError:
        pass
    try:
        found = float(text)
    except ValueError:
        return text
    return found if abs(found) < 10**15 else text


def _group(criteria: object) -> tuple[str, list[dict[str, Any]] | None]:
    """The joiner and the rules of a flat group; None where there are groups in it, or something else."""
    if criteria in ({}, None):
        return "all", []
    if isinstance(criteria, dict) and len(criteria) == 1:
        [(joiner, nodes)] = criteria.items()
        flat = isinstance(nodes, list) and all(isinstance(n, dict) and "field" in n for n in nodes)
        if joiner in ("all", "any") and flat and len(nodes) <= MOST_ROWS:
            return joiner, nodes
    return "all", None


def _row(number: int, node: Mapping[str, Any], offered: Offered) -> Row:
    name, value = str(node["field"]), node.get("value")
    if name.startswith(EVENT):
        type_ = conditions.type_of(value)
        operators = conditions.of_event(name, type_).operators
        return _filled(number, EVENT, node, operators, name.removeprefix(EVENT), type_)
    field = offered.get(name)
    return _filled(number, name if field else "", node, field.operators if field else {})


def _filled(
    number: int, field: str, node: Mapping[str, Any], operators: Mapping[str, Any], *of_event: str
) -> Row:
    operator = node.get("operator") if node.get("operator") in operators else next(iter(operators), "")
    takes = operators[operator].takes.name if operator else "nothing"
    words = [(name, known.words) for name, known in operators.items()]
    return Row(number, field, str(operator), words, takes, _shown(node.get("value")), *of_event)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _choices(offered: Offered) -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {label: [] for label in GROUPS.values()}
    groups[GROUPS[EVENT]] = [(EVENT, "a property of the event")]
    for name, field in offered.items():
        heading = next(label for prefix, label in GROUPS.items() if name.startswith(prefix))
        groups[heading].append((name, field.label))
    return [(label, choices) for label, choices in groups.items() if choices]
