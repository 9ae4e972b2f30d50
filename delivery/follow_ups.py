"""After a campaign: drafts for those whom it did not reach, who came later, or who did not open it.

Each is a copy of the campaign with a segment of its own, which asks the ledger at the moment it is sent.
Nobody gets the same follow-up twice: while one is unfinished there is no other of its kind, and the next
leaves out whom those before it reached, or may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from audience import segments
from audience.audiences import Audience
from audience.models import Segment
from campaigns import drafts, lifecycle
from campaigns.models import Campaign

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Kind = Campaign.FollowUp
Status = Campaign.Status
ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
UNFINISHED = (Status.DRAFT, Status.ACTIVE, Status.PAUSED)
NAME_LIMIT = 100


def _is(field: str, value: bool) -> dict[str, Any]:
    return {"field": field, "operator": "equals", "value": value}


# The choices of opt-ins, as segments say them.
OPT_INS: dict[str, dict[str, Any]] = {
    Audience.ALL_SUBSCRIBED: {"any": [_is("subscribed", True), _is("sms_subscribed", True)]},
    Audience.EMAIL_ONLY: {"all": [_is("subscribed", True), _is("sms_subscribed", False)]},
    Audience.SMS_ONLY: {"all": [_is("subscribed", False), _is("sms_subscribed", True)]},
    Audience.BOTH: {"all": [_is("subscribed", True), _is("sms_subscribed", True)]},
}


class NotPossible(Exception):
    """There can be no such follow-up; the message says why."""


@dataclass(frozen=True)
class FollowUp:
    """The draft or campaign, and whether it was made just now."""

    campaign: Campaign
    is_new: bool


def offered(campaign: Campaign) -> list[Kind]:
    """What may follow a campaign: nothing before its end, and nothing about opens that are not counted.

    Nothing follows a flow, which would begin from its start again; what comes of its mails is asked in it.
    """
    if campaign.status not in ENDED or campaign.flow_id is not None:
        return []
    kinds = [Kind.FAILED, Kind.JOINED]
    return [*kinds, Kind.NOT_OPENED] if campaign.tracked else kinds


def make(campaign: Campaign, kind: Kind, actor: User | None = None) -> FollowUp:
    """Make the draft and its segment in one transaction, or find the one of its kind that is unfinished.

    May be repeated: a double click makes one. Raises NotPossible.
    """
    with transaction.atomic():
        held = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if kind not in offered(held):
            raise NotPossible(f"“{held.name}” is {held.status}: there is nothing of this kind to follow it.")
        before = Campaign.objects.filter(follows=held, follow_up=kind).order_by("pk")
        unfinished = before.filter(status__in=UNFINISHED).first()
        if unfinished is not None:
            return FollowUp(unfinished, is_new=False)
        segment = _segment(campaign, kind, [earlier.pk for earlier in before])
        name = f"{campaign.name}: {kind.label}"
        draft = drafts.clone(
            campaign,
            actor,
            name=name,
            audience=Audience.SEGMENT,
            segment=segment,
            follows=campaign,
            follow_up=kind,
            clock=Campaign.Clock.WORKSPACE,
        )
        lifecycle.note(campaign, actor, f"Made “{draft.name}”.")
    return FollowUp(draft, is_new=True)


def criteria(campaign: Campaign, kind: Kind, earlier: list[int]) -> dict[str, Any]:
    """Whom the follow-up is for, but for those whom the earlier ones of its kind reached or may have."""
    rules: list[Any] = {
        Kind.FAILED: [_in("failed", campaign.pk)],
        Kind.JOINED: [*_audience(campaign), _in("planned", campaign.pk, not_=True)],
        Kind.NOT_OPENED: [_in("sent", campaign.pk), _in("opened", campaign.pk, not_=True)],
    }[kind]
    return {"all": [*rules, *(_in("reached", pk, not_=True) for pk in earlier)]}


def _audience(campaign: Campaign) -> list[Any]:
    """The campaign's own audience, as rules that must all hold."""
    if campaign.audience != Audience.SEGMENT:
        said = OPT_INS[campaign.audience]
    elif campaign.segment is not None:
        said = campaign.segment.criteria
    else:
        raise NotPossible(f"“{campaign.name}” has no audience any more.")
    return list(said["all"]) if "all" in said else [said]


def _segment(campaign: Campaign, kind: Kind, earlier: list[int]) -> Segment:
    asked = criteria(campaign, kind, earlier)
    try:
        segments.validate(campaign.workspace, asked)
    except segments.InvalidCriteria as error:
        raise NotPossible(f"The audience of “{campaign.name}” cannot be asked again: {error}") from error
    made: Segment = Segment.objects.create(
        workspace=campaign.workspace, name=_free_name(campaign, kind), criteria=asked
    )
    return made


def _free_name(campaign: Campaign, kind: Kind) -> str:
    """A name that says what the segment is for, and that no other has: segments are unique by name."""
    name = f"{kind.label.capitalize()}: {campaign.name}"[: NAME_LIMIT - 5]
    taken = Segment.objects.of(campaign.workspace).filter(name__startswith=name)
    names, number = set(taken.values_list("name", flat=True)), 1
    while (numbered := name if number == 1 else f"{name} {number}") in names:
        number += 1
    return numbered


def _in(what: str, campaign_id: int, *, not_: bool = False) -> dict[str, Any]:
    operator = "not_campaign" if not_ else "campaign"
    return {"field": f"engagement.{what}", "operator": operator, "value": campaign_id}
