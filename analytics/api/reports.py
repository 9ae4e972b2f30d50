"""Reports of campaigns, as they are counted every minute."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from ninja import Query, Router
from pydantic import Field

from analytics import roll_up, state, totals
from analytics.models import THOUSANDTHS
from analytics.totals import Scope, Totals
from audience.api.frame import Allowed, ApiRequest, answers
from audience.api.schemas import Id, Out, Strict, example
from campaigns.api.campaigns import find_campaign
from campaigns.models import Campaign

router = Router(tags=["Campaigns"])

NUMBERS = {
    "audience": 100,
    "waiting": 0,
    "sent": 92,
    "delivered": 91,
    "failed": 0,
    "suppressed": 8,
    "cancelled": 0,
    "unknown": 0,
    "bounced": 1,
    "opened": 40,
    "clicked": 12,
    "unsubscribed": 1,
    "complained": 0,
    "opens": 55,
    "clicks": 14,
}


class TotalsOut(Out):
    """How many mails are where, and what came of them; `opens` and `clicks` count every time."""

    model_config = example(NUMBERS)

    audience: int
    waiting: int
    sent: int
    delivered: int = Field(description="Accepted, and not returned.")
    failed: int
    suppressed: int
    cancelled: int
    unknown: int
    bounced: int
    opened: int
    clicked: int
    unsubscribed: int
    complained: int
    opens: int
    clicks: int


class GoalReachedOut(Out):
    """How many mails reached the goal, by how many events, and the sum of the property that was named."""

    mails: int
    events: int
    value: float


class GoalOut(Out):
    """What people did elsewhere after the campaign's mails."""

    model_config = example(
        {
            "event": "order_placed",
            "days": 7,
            "value": "total",
            "after_click": {"mails": 3, "events": 4, "value": 160.5},
            "after_sending": {"mails": 5, "events": 6, "value": 201.0},
        }
    )

    event: str
    days: int
    value: str
    after_click: GoalReachedOut
    after_sending: GoalReachedOut


class PlaceOut(Out):
    """The totals at one mailbox provider, or of one sender."""

    place: str
    totals: TotalsOut


class HourOut(Out):
    at: datetime
    sent: int
    opened: int
    clicked: int


class LinkOut(Out):
    link: int = Field(description="Which link of the mail, from 1.")
    mails: int
    events: int


class ReasonOut(Out):
    kind: str
    reason: str
    code: str
    mails: int


class ReportOut(Out):
    """What a campaign amounts to."""

    counted_at: datetime | None = Field(description="When it was counted last.")
    totals: TotalsOut
    goal: GoalOut | None = Field(description="Null: the campaign has none.")
    mailbox_providers: list[PlaceOut]
    senders: list[PlaceOut]
    hours: list[HourOut] = Field(description="Hours without anything are left out.")
    links: list[LinkOut]
    reasons: list[ReasonOut] = Field(description="Why mails were not delivered.")


class ReportQuery(Strict):
    people: bool = Field(True, description="False counts what machines opened and clicked as well.")
    step: int | None = Field(None, ge=1, le=32_767, description="One step of its flow.")


@router.get("/campaigns/{campaign_id}/report", auth=Allowed("reports:read"), response=answers(ReportOut))
def read_report(request: ApiRequest, campaign_id: Id, asked: Query[ReportQuery]) -> ReportOut:
    """Read a campaign's report. Costs the same for any number of recipients."""
    campaign = find_campaign(request, campaign_id)
    roll_up.keep_fresh()
    scope = Scope([campaign.pk], asked.step, asked.people)
    sums = totals.of(scope)
    return ReportOut(
        counted_at=state.current().at,
        totals=_shown(sums),
        goal=_goal(campaign, sums) if campaign.goal_event else None,
        mailbox_providers=_places("mailbox_provider", scope),
        senders=_places("sender_id", scope),
        hours=[HourOut(**asdict(hour)) for hour in totals.hours(scope)],
        links=[LinkOut(**asdict(link)) for link in totals.links(scope).values()],
        reasons=[ReasonOut(**asdict(reason)) for reason in totals.reasons(scope)],
    )


def _goal(campaign: Campaign, sums: Totals) -> GoalOut:
    return GoalOut(
        event=campaign.goal_event,
        days=campaign.goal_days,
        value=campaign.goal_value,
        after_click=_reached(sums.goal_clicked, sums.goal_clicked_events, sums.goal_clicked_value),
        after_sending=_reached(sums.goal_sent, sums.goal_sent_events, sums.goal_sent_value),
    )


def _reached(mails: int, events: int, value: int) -> GoalReachedOut:
    return GoalReachedOut(mails=mails, events=events, value=value / THOUSANDTHS)


def _places(column: str, scope: Scope) -> list[PlaceOut]:
    return [
        PlaceOut(place=str(place), totals=_shown(sums)) for place, sums in totals.by(column, scope).items()
    ]


def _shown(sums: Totals) -> TotalsOut:
    return TotalsOut(**{number: getattr(sums, number) for number in TotalsOut.model_fields})
