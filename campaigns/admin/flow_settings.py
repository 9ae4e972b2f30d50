"""The settings of one step: what its form shows, and what the form says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audience.admin.criteria import parse
from audience.models import Attribute
from campaigns.admin import flow_criteria
from campaigns.flows.drawing import KINDS, UNITS, WEEKDAYS, Drawing
from campaigns.flows.editing import Raw
from campaigns.models import Flow, Sender, Template

Data = Mapping[str, Any]


def shown(flow: Flow, step: Raw, drawing: Drawing) -> dict[str, Any]:
    """What the form of a step needs."""
    kind = step["kind"]
    context: dict[str, Any] = {"step": step, "kind": kind, "what": KINDS[kind][0], "titles": drawing.titles}
    if kind == "send":
        context["templates"] = Template.objects.of(flow.workspace).order_by("name").values_list("pk", "name")
        context["senders"] = [(sender.pk, str(sender)) for sender in Sender.objects.of(flow.workspace)]
    if kind in ("condition", "wait_for"):
        context |= flow_criteria.shown(flow, step.get("criteria"), drawing.sends)
    if kind in ("wait", "wait_for"):
        context |= _times(step)
    if kind == "update":
        types = dict(Attribute.objects.of(flow.workspace).values_list("name", "type"))
        context |= {"attributes": types, "type": types.get(str(step.get("attribute")), "text")}
    return context


def _times(step: Raw) -> dict[str, Any]:
    until = step.get("until")
    mode = "for" if not isinstance(until, dict) else "date" if "date" in until else "time"
    lasts = step.get("for") or step.get("at_most") or {}
    lasts = lasts if isinstance(lasts, dict) else {}
    chosen = until.get("weekdays") if isinstance(until, dict) else []
    chosen = chosen if isinstance(chosen, list) else []
    return {
        "mode": mode,
        "units": [(unit, lasts.get(unit) or "") for unit in UNITS],
        "lasts": lasts,
        "weekdays": [(day, name, day in chosen) for day, name in enumerate(WEEKDAYS, 1)],
    }


def read(kind: str, data: Any) -> Raw:
    """The settings that a form says. What cannot be right stays as it is, for the checks to complain of.

    Raises ValidationError for criteria that are no JSON, which there is no way to keep.
    """
    settings: Raw = READERS[kind](data)
    if name := data.get("name", "").strip()[:100]:
        settings["name"] = name
    return settings


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


def _send(data: Data) -> Raw:
    settings: Raw = {"template": number(data.get("template", ""))}
    for name in ("sender", "cutoff"):
        if data.get(name):
            settings[name] = number(data[name])
    return settings


def _duration(data: Data) -> Raw:
    lasts: Raw = {unit: number(data[unit]) for unit in UNITS if data.get(unit)}
    return lasts | ({"at": data["at"]} if data.get("at") else {})


def _wait(data: Any) -> Raw:
    match data.get("mode"):
        case "date":
            at = {"at": data["date_at"]} if data.get("date_at") else {}
            return {"until": {"date": data.get("date", ""), **at}}
        case "time":
            days = [int(day) for day in data.getlist("weekday") if day.isdecimal()]
            return {"until": {"at": data.get("time", "")} | ({"weekdays": days} if days else {})}
    return {"for": _duration(data)}


def _wait_for(data: Data) -> Raw:
    return {"criteria": _criteria(data), "at_most": _duration(data)}


def _condition(data: Data) -> Raw:
    return {"criteria": _criteria(data)}


def _criteria(data: Data) -> Any:
    return parse(data.get("criteria") or "{}")


def _split(data: Any) -> Raw:
    names, weights = data.getlist("branch"), data.getlist("weight")
    branches = [
        {"name": name.strip()[:100], "weight": number(weight)}
        for name, weight in zip(names, weights, strict=False)
    ]
    if "more" in data:
        branches.append({"name": chr(ord("A") + len(branches) % 26), "weight": 1})
    if data.get("fewer"):
        branches = branches[:-1]
    return {"branches": branches}


def _update(data: Data) -> Raw:
    text: str = data.get("value", "").strip()[:500]
    value: Any = text or None
    if data.get("type") == Attribute.Type.NUMBER:
        value = number(text)
    elif data.get("type") == Attribute.Type.BOOLEAN:
        value = {"yes": True, "no": False}.get(text)
    return {"attribute": data.get("attribute", ""), "value": value}


READERS: dict[str, Callable[[Any], Raw]] = {
    "send": _send,
    "wait": _wait,
    "wait_for": _wait_for,
    "condition": _condition,
    "split": _split,
    "update": _update,
    "jump": lambda data: {"to": number(data.get("to", ""))},
    "exit": lambda data: {},
}
