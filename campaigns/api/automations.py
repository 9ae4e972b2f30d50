"""Automations: drafts that are made always-on, and start people on their flow one by one."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from ninja import Router, Status
from pydantic import Field

from audience.api.frame import WRITING, Allowed, ApiRequest, answers
from audience.api.moments import ClockTime
from audience.api.problems import not_found
from audience.api.schemas import Body, Id, Out, example, listed
from audience.models.events import EVENT_NAME
from campaigns import drafts
from campaigns.api.campaigns import find_campaign, hold_campaign
from campaigns.models import Automation, Campaign

router = Router(tags=["Campaigns"])

EXAMPLE = {
    "start": "event",
    "includes_present": False,
    "event": "order_placed",
    "attribute": "",
    "offset_days": 0,
    "at": "09:00:00",
    "is_yearly": True,
    "again": "once",
    "again_days": 30,
}


class AutomationOut(Out):
    """How an always-on campaign starts people on its flow."""

    model_config = example(EXAMPLE)

    start: Annotated[Automation.Start, listed(Automation.Start)]
    includes_present: bool
    event: str
    attribute: str
    offset_days: int
    at: ClockTime
    is_yearly: bool
    again: Annotated[Automation.Again, listed(Automation.Again)]
    again_days: int


class AutomationIn(Body):
    """Who starts, and how often. What is left out is as if it had never been said."""

    model_config = example(EXAMPLE | {"at": "09:00"})

    start: Literal["segment", "event", "date"]
    includes_present: bool = Field(False, description="Also who is in the segment at the activation.")
    event: str = Field("", pattern=rf"^({EVENT_NAME})?$", description="Such as order_placed.")
    attribute: str = Field("", pattern=r"^([a-z][a-z0-9_]{0,62})?$", description="One that is a date.")
    offset_days: int = Field(0, ge=-365, le=365, description="-3: three days before the date.")
    at: ClockTime = Field(time(9), description="By each customer's own clock.")
    is_yearly: bool = True
    again: Literal["once", "always", "after"] = "once"
    again_days: int = Field(30, ge=1, le=3_650)


@router.get(
    "/campaigns/{campaign_id}/automation", auth=Allowed("campaigns:read"), response=answers(AutomationOut)
)
def read_automation(request: ApiRequest, campaign_id: Id) -> AutomationOut:
    """Read how a campaign starts people; 404 for one that is no automation."""
    campaign = find_campaign(request, campaign_id)
    if campaign.kind != Campaign.Kind.AUTOMATION:
        raise not_found("automation")
    return AutomationOut.model_validate(campaign.automation)


@router.put(
    "/campaigns/{campaign_id}/automation",
    auth=Allowed("campaigns:write"),
    response=answers(AutomationOut, errors=WRITING),
)
def put_automation(request: ApiRequest, campaign_id: Id, given: AutomationIn) -> AutomationOut:
    """Make a draft an automation, or say anew how it starts people."""
    automation = drafts.automate(hold_campaign(request, campaign_id), **given.model_dump())
    automation.refresh_from_db()
    return AutomationOut.model_validate(automation)


@router.delete(
    "/campaigns/{campaign_id}/automation",
    auth=Allowed("campaigns:write"),
    response=answers(None, status=204, errors=WRITING),
)
def delete_automation(request: ApiRequest, campaign_id: Id) -> Status[None]:
    """Make an automation that is a draft a campaign to its audience again. May be repeated."""
    drafts.make_one_off(hold_campaign(request, campaign_id))
    return Status(204, None)
