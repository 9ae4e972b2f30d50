"""Flows: drafts that are changed, and the versions that are published of them, on which people run."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.db.models import JSONField, OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import Field

from audience.api.frame import (
    CHANGING,
    WRITING,
    Allowed,
    ApiRequest,
    Page,
    PageQuery,
    answers,
    find,
    hold,
    page,
    require_version,
    tagged,
)
from audience.api.problems import not_found, refused
from audience.api.schemas import Body, Id, Out, example
from campaigns.flows import editing, publishing
from campaigns.models import Flow, FlowVersion

router = Router(tags=["Flows"])

MAX_LISTED = 200
STEPS: list[dict[str, Any]] = [
    {"key": 1, "kind": "send", "template": 1},
    {"key": 2, "kind": "wait", "for": {"days": 3, "at": "09:00"}},
    {"key": 3, "kind": "exit"},
]
HOW_STEPS_ARE_WRITTEN = (
    "One below the other; each has a kind, and a key that stays its own. docs/api.md lists them."
)


class FlowOut(Out):
    """A flow as it is edited. Nobody runs on it: people run on the versions that are published of it."""

    model_config = example(
        {
            "id": 1,
            "name": "Welcome",
            "steps": STEPS,
            "version": 1,
            "is_changed": False,
            "created_at": "2026-11-01T09:30:00Z",
            "updated_at": "2026-11-01T09:30:00Z",
        }
    )

    id: int
    name: str
    steps: list[Any]
    version: int | None = Field(description="The newest version; null: it was never published.")
    is_changed: bool = Field(description="Whether it was edited since.")
    created_at: datetime
    updated_at: datetime


class FlowIn(Body):
    """A new flow. What is missing from its steps can be added until it is published."""

    model_config = example({"name": "Welcome", "steps": STEPS})

    name: str = Field(min_length=1, max_length=100)
    steps: list[dict[str, Any]] = Field([], max_length=MAX_LISTED, description=HOW_STEPS_ARE_WRITTEN)


class FlowChange(Body):
    """What is given is changed; `steps` are all steps that it is to have."""

    model_config = example({"name": "Welcome, in two mails"})

    name: str = Field("", min_length=1, max_length=100)
    steps: list[dict[str, Any]] = Field([], max_length=MAX_LISTED, description=HOW_STEPS_ARE_WRITTEN)


class FlowQuery(PageQuery):
    name: str = Field("", max_length=100, description="Exactly this name.")


class VersionOut(Out):
    """A flow as it was published. Never changes."""

    model_config = example({"number": 1, "steps": STEPS, "published_at": "2026-11-01T09:30:00Z"})

    number: int
    steps: list[Any]
    published_at: datetime


class StepProblem(Out):
    step: int | None = Field(description="The key of the step; null: the whole flow.")
    detail: str


class StandingOut(Out):
    """People on their way who stand at a step of versions that would be older ones."""

    step: int
    label: str
    people: int
    is_kept: bool = Field(description="The new version has the step: they can go on there as they are.")


class FlowReadinessOut(Out):
    """What must be mended before a flow can be published, and whom publishing it would be about."""

    problems: list[StepProblem]
    people: list[StandingOut]


class Answer(Body):
    """What becomes of the people who stand at a step of an older version."""

    step: int = Field(ge=1, le=32_767)
    then: Literal["stay", "leave", "move"]
    to: int | None = Field(None, ge=1, le=32_767, description="Of a move: the step of the new version.")


class PublishIn(Body):
    """Whoever stands at a step that is not named stays on the version that they are on."""

    model_config = example({"people": [{"step": 2, "then": "move", "to": 2}]})

    people: list[Answer] = Field([], max_length=MAX_LISTED)


def shown(flow: Any) -> FlowOut:
    """A flow with what `_flows` has noted of its newest version."""
    columns = {name: getattr(flow, name) for name in ("id", "name", "steps", "created_at", "updated_at")}
    is_changed = flow.newest is None or flow.newest_steps != flow.steps
    return FlowOut(**columns, version=flow.newest, is_changed=is_changed)


def _flows(request: ApiRequest) -> QuerySet[Flow]:
    newest = FlowVersion.objects.filter(flow=OuterRef("pk")).order_by("-number")
    rows: QuerySet[Flow] = Flow.objects.of(request.auth.workspace)
    return rows.annotate(
        newest=Subquery(newest.values("number")[:1]),
        newest_steps=Subquery(newest.values("steps")[:1], output_field=JSONField()),
    )


def _flow(request: ApiRequest, flow_id: int) -> Flow:
    flow: Flow = find(Flow.objects.of(request.auth.workspace).select_related("workspace"), flow_id)
    return flow


@router.get("/flows", auth=Allowed("flows:read"), response=answers(Page[FlowOut]))
def list_flows(request: ApiRequest, asked: Query[FlowQuery]) -> Page[FlowOut]:
    """List flows, the newest first."""
    rows = _flows(request)
    if asked.name:
        rows = rows.filter(name=asked.name)
    return page(rows, asked, shown, newest_first=True)


@router.post("/flows", auth=Allowed("flows:write"), response=answers(FlowOut, status=201, errors=WRITING))
def create_flow(request: ApiRequest, given: FlowIn, response: HttpResponse) -> Status[FlowOut]:
    """Create a flow. Nobody runs on it before it is published."""
    created = editing.save(request.auth.workspace, **given.model_dump())
    return Status(201, tagged(response, shown(find(_flows(request), created.pk))))


@router.get("/flows/{flow_id}", auth=Allowed("flows:read"), response=answers(FlowOut))
def read_flow(request: ApiRequest, flow_id: Id, response: HttpResponse) -> FlowOut:
    """Read one flow as it is edited."""
    return tagged(response, shown(find(_flows(request), flow_id)))


@router.patch("/flows/{flow_id}", auth=Allowed("flows:write"), response=answers(FlowOut, errors=CHANGING))
def change_flow(request: ApiRequest, flow_id: Id, given: FlowChange, response: HttpResponse) -> FlowOut:
    """Change a flow as it is edited. People on their way notice nothing until it is published."""
    flow = hold(_flows(request), flow_id)
    require_version(request, shown(flow))
    editing.save(request.auth.workspace, flow, **given.model_dump(exclude_unset=True))
    return tagged(response, shown(find(_flows(request), flow_id)))


@router.get(
    "/flows/{flow_id}/readiness",
    auth=Allowed("flows:read", "customers:read"),
    response=answers(FlowReadinessOut),
)
def read_flow_readiness(request: ApiRequest, flow_id: Id) -> FlowReadinessOut:
    """Say what keeps a flow from being published, and who stands where on the versions so far."""
    flow = _flow(request, flow_id)
    return FlowReadinessOut(
        problems=[StepProblem(step=each.step, detail=each.message) for each in publishing.problems(flow)],
        people=[StandingOut.model_validate(line) for line in publishing.standing(flow)],
    )


@router.get("/flows/{flow_id}/versions", auth=Allowed("flows:read"), response=answers(Page[VersionOut]))
def list_versions(request: ApiRequest, flow_id: Id, asked: Query[PageQuery]) -> Page[VersionOut]:
    """List the versions of a flow, the newest first."""
    rows = FlowVersion.objects.filter(flow=_flow(request, flow_id))
    return page(rows, asked, VersionOut.model_validate, newest_first=True)


@router.get("/flows/{flow_id}/versions/{number}", auth=Allowed("flows:read"), response=answers(VersionOut))
def read_version(request: ApiRequest, flow_id: Id, number: Id) -> VersionOut:
    """Read one version of a flow."""
    version = FlowVersion.objects.filter(flow=_flow(request, flow_id), number=number).first()
    if version is None:
        raise not_found("version")
    return VersionOut.model_validate(version)


@router.post(
    "/flows/{flow_id}/versions",
    auth=Allowed("flows:send", "customers:read"),
    response=answers(VersionOut, status=201, errors=WRITING),
)
def publish_flow(request: ApiRequest, flow_id: Id, given: PublishIn) -> Status[VersionOut]:
    """Publish a flow as it stands, and say what becomes of people on older versions.

    People who begin from now on enter the new version. A flow that is unchanged gives the version that there
    is. One with problems is refused with all that must be mended, and nobody is moved.
    """
    flow = _flow(request, flow_id)
    version = publishing.publish(flow, request.auth.user, _choices(given.people))
    version.refresh_from_db()
    return Status(201, VersionOut.model_validate(version))


def _choices(given: list[Answer]) -> dict[int, publishing.Choice]:
    """The answers by step; a step that is answered twice, or a move without its end, is refused."""
    choices: dict[int, publishing.Choice] = {}
    problems = []
    for place, answer in enumerate(given):
        if answer.step in choices:
            problems.append((f"people.{place}.step", "This step is named before. Answer once for each."))
        if (answer.then == "move") != (answer.to is not None):
            problems.append((f"people.{place}.to", "Say the step to move to, and only with “move”."))
        choices[answer.step] = _choice(answer)
    if problems:
        raise refused(problems)
    return choices


def _choice(answer: Answer) -> publishing.Choice:
    if answer.then == "move":
        return publishing.MoveTo(answer.to or 0)
    return publishing.Leave() if answer.then == "leave" else publishing.Stay()
