"""Flows: from what the editor holds to a version, and what becomes of people on older ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, F, QuerySet

from audience import audit, clock
from campaigns import content
from campaigns.flows import checks
from campaigns.flows.people import moved
from campaigns.flows.problems import InvalidFlow, Problem
from campaigns.flows.reader import read
from campaigns.flows.steps import Program, Send
from campaigns.models import Campaign, Enrollment, Flow, FlowMail, FlowVersion, Sender, Template

if TYPE_CHECKING:
    from django.contrib.auth.models import User

State = Enrollment.State


@dataclass(frozen=True)
class Standing:
    """People who stand at a step of versions that would be older ones."""

    step: int
    label: str
    people: int
    # The step is in the new version, as the same kind: they can go on there as they are.
    is_kept: bool


@dataclass(frozen=True)
class Stay:
    """They go on by the version that they are on."""


@dataclass(frozen=True)
class Leave:
    """They leave the flow."""


@dataclass(frozen=True)
class MoveTo:
    """They go on at a step of the new version; at their own one with what remains of its wait."""

    step: int


Choice = Stay | Leave | MoveTo


def latest(flow: Flow) -> FlowVersion | None:
    """The version that people enter now; None: the flow has never been published."""
    return flow.versions.first()


def program(version: FlowVersion) -> Program:
    """The steps of a version."""
    return read(version.steps)


def is_changed(flow: Flow) -> bool:
    """Whether the flow was edited since it was published."""
    version = latest(flow)
    return version is None or version.steps != flow.steps


def standing(flow: Flow) -> list[Standing]:
    """Who stands where, on versions published so far, for whoever publishes another one. Reads only."""
    people = dict(_open(flow).values_list("step").annotate(n=Count("*")).order_by("step"))
    if not people:
        return []
    labels: dict[int, tuple[str, str]] = {}
    for version in flow.versions.order_by("number"):
        labels |= {key: (step.label, step.kind) for key, step in program(version).steps.items()}
    try:
        new = read(flow.steps).steps
    except InvalidFlow:
        new = {}
    return [
        Standing(step, labels[step][0], count, step in new and new[step].kind == labels[step][1])
        for step, count in people.items()
    ]


def problems(flow: Flow) -> list[Problem]:
    """What must be mended before the flow can be published."""
    found = checks.problems(flow.workspace, flow.steps)
    return found or [*_senders(flow, read(flow.steps)), *_other_kinds(flow, read(flow.steps))]


def publish(
    flow: Flow, actor: User | None = None, choices: Mapping[int, Choice] | None = None
) -> FlowVersion:
    """Make a version of the flow as it stands, and send people on older ones where `choices` say, by step.

    Whoever no choice names stays on their version. Commits version, frozen contents and moves together.
    A flow that is unchanged gives the version that there is. Raises InvalidFlow and changes nothing.
    """
    with transaction.atomic():
        held = Flow.objects.select_for_update().get(pk=flow.pk)
        if found := problems(held):
            raise InvalidFlow(found)
        new = read(held.steps)
        _check(choices or {}, new)
        version = latest(held)
        if version is None or version.steps != held.steps:
            before = {"version": version.number} if version else None
            version = _make(held, new, (version.number if version else 0) + 1, actor)
            after = {"version": version.number, "steps": len(new.steps)}
            workspace = held.workspace_id
            audit.record("flow published", held, workspace=workspace, actor=actor, before=before, after=after)
        for step, choice in (choices or {}).items():
            _apply(held, version, new, step, choice, clock.now())
            if not isinstance(choice, Stay):
                about = {"from step": step, "choice": str(choice), "version": version.number}
                audit.record("people moved", held, workspace=held.workspace_id, actor=actor, after=about)
    return version


def _make(flow: Flow, new: Program, number: int, actor: User | None) -> FlowVersion:
    version = FlowVersion.objects.create(flow=flow, number=number, steps=flow.steps, published_by=actor)
    templates = Template.objects.in_bulk({step.what.template for step in new.of_kind(Send)})
    FlowMail.objects.bulk_create(
        FlowMail(
            version=version,
            step=step.key,
            content=content.freeze(templates[step.what.template]),
            sender_id=step.what.sender,
            cutoff=step.what.cutoff,
        )
        for step in new.of_kind(Send)
    )
    return version


def _senders(flow: Flow, new: Program) -> list[Problem]:
    """A campaign that runs can send through its own senders only."""
    named = {step.what.sender: step.key for step in new.of_kind(Send) if step.what.sender is not None}
    running = Campaign.objects.filter(flow=flow, status__in=[Campaign.Status.ACTIVE, Campaign.Status.PAUSED])
    return [
        Problem(named[sender.pk], f"Its sender {sender} is none of “{campaign}”, which runs. Choose another.")
        for campaign in running
        for sender in Sender.objects.filter(pk__in=named).exclude(pk__in=campaign.senders.values("pk"))
    ]


def _other_kinds(flow: Flow, new: Program) -> list[Problem]:
    """A key stays its step's own: the ledger and conditions know the step by it."""
    kinds = {
        key: step.kind
        for version in flow.versions.order_by("number")
        for key, step in program(version).steps.items()
    }
    return [
        Problem(key, f"This key was a {kinds[key]} step before. Give the new step another key.")
        for key, step in new.steps.items()
        if kinds.get(key, step.kind) != step.kind
    ]


def _check(choices: Mapping[int, Choice], new: Program) -> None:
    for step, choice in choices.items():
        if isinstance(choice, MoveTo) and choice.step not in new.steps:
            raise InvalidFlow(
                [Problem(step, f"The new version has no step {choice.step} to move people to.")]
            )


def _open(flow: Flow) -> QuerySet[Enrollment]:
    return Enrollment.objects.filter(
        campaign__in=Campaign.objects.filter(flow=flow).values("pk"), state__in=Enrollment.OPEN
    )


def _apply(flow: Flow, version: FlowVersion, new: Program, step: int, choice: Choice, now: datetime) -> None:
    people = _open(flow).filter(step=step).exclude(version=version)
    match choice:
        case Leave():
            people.update(
                state=State.LEFT, reason=Enrollment.Reason.VERSION, ended_at=now, fence=F("fence") + 1
            )
        case MoveTo(target):
            kinds = {
                old.pk: program(old).steps[step].kind
                for old in flow.versions.exclude(pk=version.pk)
                if step in program(old).steps
            }
            same = [pk for pk, kind in kinds.items() if target == step and kind == new.steps[step].kind]
            people.filter(version__in=same).update(version=version, fence=F("fence") + 1)
            people.exclude(version__in=same).update(
                version=version,
                step=target,
                state=State.ARRIVING,
                due_at=now,
                round=F("round") + 1,
                fence=F("fence") + 1,
                path=[moved(now, step, f"version {version.number} was published")],
            )
