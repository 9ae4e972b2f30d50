"""Flows: their steps as the editor draws them, each in words, with its problems and its people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audience.models import Workspace
from audience.segments import InvalidCriteria
from campaigns.flows import checks, conditions, runs
from campaigns.flows.editing import Document, Raw, ways
from campaigns.flows.reader import read
from campaigns.flows.steps import KIND_NAMES
from campaigns.models import Flow, Sender, Template

# By kind: what it is called, what it does in a few words, and its icon.
KINDS = {
    "send": (KIND_NAMES["send"], _("A template, from one of the senders"), "mail"),
    "wait": (KIND_NAMES["wait"], _("So long, until a date, or until a time of day"), "schedule"),
    "wait_for": (KIND_NAMES["wait_for"], _("With a time-out"), "hourglass_top"),
    "condition": (KIND_NAMES["condition"], _("Two ways on, by what is known of somebody"), "call_split"),
    "split": (KIND_NAMES["split"], _("Several ways on, by chance and weight"), "shuffle"),
    "update": (KIND_NAMES["update"], _("Write something down about them"), "edit_note"),
    "jump": (KIND_NAMES["jump"], _("Around once more, after a wait"), "redo"),
    "exit": (KIND_NAMES["exit"], _("They leave the flow here"), "logout"),
}
WEEKDAYS = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))


@dataclass
class Lane:
    """Steps below each other: the flow itself, or one branch of a step."""

    owner: int | None
    way: str
    name: str
    steps: list[Drawn] = field(default_factory=list)
    # Of a branch: which halves of its foot the line to what follows runs along.
    rail: str = ""

    @property
    def joins(self) -> bool:
        """Whether people go on below it."""
        return not (self.steps and self.steps[-1].ends)


@dataclass
class Drawn:
    """One step on the page."""

    key: int
    kind: str
    title: str
    summary: str
    icon: str
    problems: list[str]
    people: runs.Line | None
    lanes: list[Lane]
    place: str = ""

    @property
    def ends(self) -> bool:
        return self.kind in ("exit", "jump")


class Drawing:
    """A flow as it is drawn; one look at its templates, senders, problems and people for all steps."""

    def __init__(self, flow: Flow) -> None:
        self._workspace: Workspace = flow.workspace
        self._templates = dict(Template.objects.of(flow.workspace).values_list("pk", "name"))
        self._senders = {sender.pk: str(sender) for sender in Sender.objects.of(flow.workspace)}
        self._people = runs.people_of(flow)
        self.titles: dict[int, str] = {}
        # The steps that conditions may ask about.
        self.sends: list[tuple[int, str]] = []
        self.problems: list[str] = []
        self._of_step: dict[int, list[str]] = {}
        for problem in checks.problems(flow.workspace, flow.steps):
            into = self.problems if problem.step is None else self._of_step.setdefault(problem.step, [])
            into.append(problem.message)
        self._name(flow.steps)
        self.lane = self._lane(None, "", "", flow.steps)

    @property
    def count(self) -> int:
        """How many problems there are."""
        return len(self.problems) + sum(map(len, self._of_step.values()))

    @property
    def first_problem(self) -> int | None:
        """The first step that has one, in the order of the page."""
        return next((key for key in self.titles if key in self._of_step), None)

    def _name(self, document: Document) -> None:
        for step in document:
            self.titles[step["key"]] = str(step.get("name") or "") or str(KINDS[step["kind"]][0])
            if step["kind"] == "send":
                words = gettext("{title} (step {key})")
                self.sends.append(
                    (step["key"], words.format(title=self.titles[step["key"]], key=step["key"]))
                )
            for _name, lane in ways(step):
                self._name(lane)

    def _lane(self, owner: int | None, way: str, name: str, document: Document) -> Lane:
        return Lane(owner, way, name, [self._step(step) for step in document])

    def _step(self, step: Raw) -> Drawn:
        key, kind = step["key"], step["kind"]
        names = _way_names(step)
        lanes = [self._lane(key, way, names[way], steps) for way, steps in ways(step)]
        _lay_rails(lanes)
        return Drawn(
            key,
            kind,
            self.titles[key],
            self._summary(step),
            KINDS[kind][2],
            self._of_step.get(key, []),
            self._people.get(key),
            lanes,
        )

    def _summary(self, step: Raw) -> str:
        match step["kind"]:
            case "send":
                return self._mail(step)
            case "wait":
                return wait_in_words(step)
            case "wait_for":
                return gettext("{condition}, at most {duration}").format(
                    condition=self._asked(step), duration=duration_in_words(step.get("at_most"))
                )
            case "condition":
                return self._asked(step)
            case "update":
                value = step.get("value")
                said = f"to {value}" if value is not None else "to nothing"
                return f"{step['attribute']} {said}" if step.get("attribute") else ""
            case "jump":
                return _known(self.titles, step.get("to"))
        return ""

    def _mail(self, step: Raw) -> str:
        words = [_known(self._templates, step.get("template"))]
        if step.get("sender") is not None:
            sender = _known(self._senders, step["sender"]) or gettext("a sender that is gone")
            words.append(gettext("from {sender}").format(sender=sender))
        if step.get("cutoff"):
            words.append(gettext("skipped when {cutoff} minutes late").format(cutoff=step["cutoff"]))
        return ", ".join(filter(None, words))

    def _asked(self, step: Raw) -> str:
        try:
            return conditions.describe(self._workspace, step.get("criteria"))
        except InvalidCriteria:
            return ""


def _lay_rails(lanes: Sequence[Lane]) -> None:
    """Join the branches that people go on from with what follows, which stands below the middle of all."""
    joining = [place for place, lane in enumerate(lanes) if lane.joins]
    if not joining:
        return
    middle = (len(lanes) - 1) / 2
    first, last = min(*joining, middle), max(*joining, middle)
    for place, lane in enumerate(lanes):
        halves = {"left": place - 0.5, "right": float(place)}
        lane.rail = " ".join(half for half, at in halves.items() if first <= at and at + 0.5 <= last)


def names_of(document: object) -> dict[int, str]:
    """What the steps of a flow are called, in the order in which they are written. Raises InvalidFlow."""
    return {key: step.label for key, step in read(document).steps.items()}


def _way_names(step: Raw) -> dict[str, str]:
    if step["kind"] != "split":
        return {
            "yes": gettext("Yes"),
            "no": gettext("No, in time") if step["kind"] == "wait_for" else gettext("No"),
        }
    branches = step.get("branches", [])
    weights = [branch.get("weight") for branch in branches]
    total = sum(weight for weight in weights if type(weight) is int) or 1
    return {
        str(number): f"{branch.get('name') or number + 1}, {_percent(branch.get('weight'), total)}"
        for number, branch in enumerate(branches)
    }


def _known(names: Mapping[int, str], key: object) -> str:
    """What is called so; nothing for whatever else may stand in a flow that was written as text."""
    return names.get(key, "") if isinstance(key, int) else ""


def _percent(weight: object, total: int) -> str:
    return f"{100 * weight / total:.0f}%" if type(weight) is int else "?"


def wait_in_words(step: Mapping[str, Any]) -> str:
    """What a wait waits for."""
    until = step.get("until")
    if not isinstance(until, dict):
        return duration_in_words(step.get("for"))
    if "date" in until:
        at = f", {until['at']}" if until.get("at") else ""
        return gettext("Until {date}{at}, by their own clock").format(date=until["date"], at=at)
    chosen = until.get("weekdays")
    chosen = chosen if isinstance(chosen, list) else []
    days = [str(WEEKDAYS[day - 1]) for day in chosen if type(day) is int and 1 <= day <= 7]
    words = (
        gettext("Until {at} on {days}, by their own clock")
        if days
        else gettext("Until {at}, by their own clock")
    )
    return words.format(at=until.get("at") or "?", days=_or(days) if days else "")


def duration_in_words(lasts: object) -> str:
    """So many days, hours and minutes."""
    if not isinstance(lasts, dict):
        return ""
    units = [f"{lasts[unit]} {unit if lasts[unit] != 1 else unit[:-1]}" for unit in UNITS if lasts.get(unit)]
    until = [gettext("until {at} by their own clock").format(at=lasts["at"])] if lasts.get("at") else []
    return ", ".join([*units, *until])


UNITS = ("months", "days", "hours", "minutes")


def _or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
