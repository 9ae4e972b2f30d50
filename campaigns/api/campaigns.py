"""Campaigns: drafts that are made, changed and set off; their status is changed by campaigns.lifecycle."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from django.utils import timezone
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
from audience.api.moments import ClockTime, Day
from audience.api.schemas import Body, Id, Out, example, listed
from audience.audiences import Audience
from audience.models.events import EVENT_NAME
from campaigns import drafts, lifecycle, readiness
from campaigns.flows import runs
from campaigns.models import Campaign

router = Router(tags=["Campaigns"])

CampaignStatus = Annotated[Campaign.Status, listed(Campaign.Status)]
MAX_SENDERS = 50
MAX_WEIGHT = 1000
DRAFT = {
    "name": "Spring",
    "audience": "segment",
    "segment_id": 1,
    "template_id": 1,
    "flow_id": None,
    "senders": [{"id": 1, "weight": 1}],
    "start_date": "2026-12-01",
    "start_time": "09:30",
    "clock": "workspace",
    "tracked": True,
    "utm": False,
    "utm_source": "",
    "utm_medium": "",
    "utm_campaign": "",
    "goal_event": "order_placed",
    "goal_days": 7,
    "goal_value": "total",
}
EXAMPLE = {
    "id": 1,
    "kind": "campaign",
    "status": "draft",
    **DRAFT,
    "start_time": "09:30:00",
    "result": "",
    "activated_at": None,
    "finished_at": None,
    "created_at": "2026-11-01T09:30:00Z",
    "updated_at": "2026-11-01T09:30:00Z",
}


class Share(Body):
    """A sender and its share: a weight of 2 gets twice as many recipients as 1."""

    id: Id
    weight: int = Field(1, ge=1, le=MAX_WEIGHT)


class ShareOut(Out):
    id: int
    weight: int


class CampaignOut(Out):
    """An audience, a content, senders and a schedule, and how far it has come."""

    model_config = example(EXAMPLE)

    id: int
    name: str
    kind: Annotated[Campaign.Kind, listed(Campaign.Kind)]
    status: CampaignStatus
    audience: Annotated[Audience, listed(Audience)]
    segment_id: int | None
    template_id: int | None
    flow_id: int | None
    senders: list[ShareOut]
    start_date: date | None
    start_time: ClockTime | None
    clock: Annotated[Campaign.Clock, listed(Campaign.Clock)]
    tracked: bool
    utm: bool
    utm_source: str
    utm_medium: str
    utm_campaign: str
    goal_event: str
    goal_days: int
    goal_value: str
    result: str = Field(description="In words: how it went, or why it was ended.")
    activated_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    updated_at: datetime


class CampaignChange(Body):
    """What is given is changed, while the campaign is a draft."""

    model_config = example({"name": "Spring sale", "senders": [{"id": 1, "weight": 2}]})

    name: str = Field("", min_length=1, max_length=150)
    audience: Literal["all_subscribed", "email_only", "sms_only", "both", "segment"] = "segment"
    segment_id: Id | None = None
    template_id: Id | None = None
    flow_id: Id | None = None
    senders: list[Share] = Field([], max_length=MAX_SENDERS, description="All senders that it is to have.")
    start_date: Day | None = Field(None, description="Null: at once when activated.")
    start_time: ClockTime | None = None
    clock: Literal["workspace", "customer", "best"] = "workspace"
    tracked: bool = True
    utm: bool = False
    utm_source: str = Field("", max_length=100)
    utm_medium: str = Field("", max_length=100)
    utm_campaign: str = Field("", max_length=100)
    goal_event: str = Field(
        "", pattern=rf"^({EVENT_NAME})?$", description="An event that you report, such as order_placed."
    )
    goal_days: int = Field(7, ge=1, le=90, description="Within so many days of the mail, or of its click.")
    goal_value: str = Field(
        "", pattern=r"^([a-z][a-z0-9_]{0,62})?$", description="A property of it to add up, such as total."
    )


class CampaignIn(CampaignChange):
    """A new draft. What is missing can be added until it is activated."""

    model_config = example(DRAFT)

    name: str = Field(min_length=1, max_length=150)


class CampaignQuery(PageQuery):
    name: str = Field("", max_length=150, description="Exactly this name.")
    status: CampaignStatus | None = None


class StatusIn(Body):
    """What the campaign is to be: `active` activates a draft or resumes what is paused."""

    model_config = example({"status": "active"})

    status: Literal["active", "paused", "completed", "cancelled"]
    overdue: Literal["send", "shift", "skip"] = Field(
        "send",
        description="Of a flow that is resumed, what came due meanwhile: send it now, shift all by the "
        "pause, or skip its mails.",
    )
    reason: str = Field("", max_length=500, description="Why, in your own words; kept in its history.")


class ReadinessOut(Out):
    """What must be mended before a draft can be activated, and what may keep its mails out of inboxes."""

    problems: list[str]
    warnings: list[str]


def shown(campaign: Campaign) -> CampaignOut:
    shares = campaign.sender_shares.all()
    columns = CampaignOut.model_fields.keys() - {"senders"}
    return CampaignOut(
        **{column: getattr(campaign, column) for column in columns},
        senders=[ShareOut(id=share.sender_id, weight=share.weight) for share in shares],
    )


def find_campaign(request: ApiRequest, campaign_id: int) -> Campaign:
    """The campaign, if it is in the workspace of the key; else 404."""
    related = ("workspace", "segment__workspace", "template", "flow", "content")
    rows = Campaign.objects.of(request.auth.workspace).select_related(*related)
    campaign: Campaign = find(rows, campaign_id)
    return campaign


def hold_campaign(request: ApiRequest, campaign_id: int) -> Campaign:
    """The same, locked until the request has been answered."""
    rows = Campaign.objects.of(request.auth.workspace).select_related("workspace")
    campaign: Campaign = hold(rows, campaign_id)
    return campaign


@router.get("/campaigns", auth=Allowed("campaigns:read"), response=answers(Page[CampaignOut]))
def list_campaigns(request: ApiRequest, asked: Query[CampaignQuery]) -> Page[CampaignOut]:
    """List campaigns, the newest first."""
    rows = Campaign.objects.of(request.auth.workspace).prefetch_related("sender_shares")
    if asked.name:
        rows = rows.filter(name=asked.name)
    if asked.status is not None:
        rows = rows.filter(status=asked.status)
    return page(rows, asked, shown, newest_first=True)


@router.post(
    "/campaigns", auth=Allowed("campaigns:write"), response=answers(CampaignOut, status=201, errors=WRITING)
)
def create_campaign(request: ApiRequest, given: CampaignIn, response: HttpResponse) -> Status[CampaignOut]:
    """Create a draft. Nothing is sent before it is activated."""
    caller = request.auth
    created = drafts.create(caller.workspace, given.name, actor=caller.user).campaign
    drafts.revise(created, **_changes(given))
    return Status(201, tagged(response, shown(created)))


@router.get("/campaigns/{campaign_id}", auth=Allowed("campaigns:read"), response=answers(CampaignOut))
def read_campaign(request: ApiRequest, campaign_id: Id, response: HttpResponse) -> CampaignOut:
    """Read one campaign."""
    return tagged(response, shown(find_campaign(request, campaign_id)))


@router.patch(
    "/campaigns/{campaign_id}",
    auth=Allowed("campaigns:write"),
    response=answers(CampaignOut, errors=CHANGING),
)
def change_campaign(
    request: ApiRequest, campaign_id: Id, given: CampaignChange, response: HttpResponse
) -> CampaignOut:
    """Change a draft. Its status is changed by PUT, and what has been activated stays as it is."""
    campaign = hold_campaign(request, campaign_id)
    require_version(request, shown(campaign))
    drafts.revise(campaign, **_changes(given))
    return tagged(response, shown(campaign))


@router.put(
    "/campaigns/{campaign_id}/status",
    auth=Allowed("campaigns:send"),
    response=answers(CampaignOut, errors=WRITING),
)
def put_status(request: ApiRequest, campaign_id: Id, given: StatusIn, response: HttpResponse) -> CampaignOut:
    """Activate, pause, resume, complete or cancel. To ask for the status that it has changes nothing.

    A worker does the sending: the answer comes at once. A draft that something is missing from is refused
    with all that must be mended.
    """
    campaign = hold_campaign(request, campaign_id)
    lifecycle.bring_to(
        campaign,
        Campaign.Status(given.status),
        request.auth.user,
        given.reason,
        overdue=runs.Overdue(given.overdue),
    )
    return tagged(response, shown(campaign))


@router.get(
    "/campaigns/{campaign_id}/readiness", auth=Allowed("campaigns:read"), response=answers(ReadinessOut)
)
def read_readiness(request: ApiRequest, campaign_id: Id) -> ReadinessOut:
    """Say what keeps a draft from being activated."""
    campaign = find_campaign(request, campaign_id)
    problems = readiness.problems(campaign, timezone.now())
    return ReadinessOut(problems=problems, warnings=readiness.warnings(campaign))


def _changes(given: CampaignChange) -> dict[str, Any]:
    """What was given, as campaigns.drafts takes it."""
    changes = given.model_dump(exclude_unset=True, exclude={"senders"})
    if "senders" in given.model_fields_set:
        changes["weights"] = {share.id: share.weight for share in given.senders}
    return changes
