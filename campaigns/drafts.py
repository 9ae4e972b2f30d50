"""Drafts: making a campaign and changing it while nothing has been sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audience import audit
from audience.audiences import Audience
from audience.models import Segment, Workspace, WorkspaceModel
from campaigns.models import Automation, Campaign, CampaignSender, Flow, Sender, Template

if TYPE_CHECKING:
    from django.contrib.auth.models import User


M = TypeVar("M", bound=WorkspaceModel)


class NotInWorkspace(Exception):
    """Something that was asked for does not exist in the workspace."""


class NotADraft(Exception):
    """Only a draft can be changed. Copy the campaign, or cancel it and start again."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass
class Draft:
    """A new campaign, and what its maker should know."""

    campaign: Campaign
    notices: list[str] = field(default_factory=list)


def create(
    workspace: Workspace,
    name: str,
    *,
    audience: Audience = Audience.SEGMENT,
    segment_id: int | None = None,
    template_id: int | None = None,
    flow_id: int | None = None,
    sender_ids: Sequence[int] = (),
    start_date: date | None = None,
    start_time: time | None = None,
    clock: Campaign.Clock = Campaign.Clock.WORKSPACE,
    actor: User | None = None,
    **tracking: Any,
) -> Draft:
    """Make a draft in one transaction; `tracking` are the columns `tracked` and `utm`, `utm_source`, ....

    A segment, template or sender that does not exist in the workspace raises NotInWorkspace and
    writes nothing. A flow that does not exist is left out and said so: a campaign can do without.
    """
    flow, notices = None, []
    if flow_id is not None:
        flow = Flow.objects.of(workspace).filter(pk=flow_id).first()
    if flow_id is not None and flow is None:
        notices.append(f"Flow {flow_id} does not exist; the campaign was made without one.")
    with transaction.atomic():
        campaign = Campaign.objects.create(
            workspace=workspace,
            name=name,
            audience=audience,
            segment=_find(Segment, workspace, segment_id),
            template=_find(Template, workspace, template_id),
            flow=flow,
            start_date=start_date,
            start_time=start_time,
            clock=clock,
            created_by=actor,
            **tracking,
        )
        CampaignSender.objects.bulk_create(
            CampaignSender(campaign=campaign, sender=_find(Sender, workspace, pk)) for pk in sender_ids
        )
        _tell_made(campaign, actor, sender_ids)
    return Draft(campaign, notices)


# What a copy has of its model; its start is not among them, since it may be over.
COPIED = (
    *("workspace", "kind", "audience", "segment", "template", "flow", "clock"),
    *("tracked", "utm", "utm_source", "utm_medium", "utm_campaign"),
    *("goal_event", "goal_days", "goal_value"),
)
NAME_LIMIT = 150


def clone(campaign: Campaign, actor: User | None = None, **columns: Any) -> Campaign:
    """Make a draft with the audience, content, tracking, goal and senders of a campaign, in one transaction.

    Whatever the campaign's status: nothing of what it sent is copied, nor its start; an automation starts
    people in the same way. `columns` are what the draft has otherwise.
    """
    copied = {name: getattr(campaign, name) for name in COPIED}
    named = {"name": f"Copy of {campaign.name}"} | columns
    named["name"] = named["name"][:NAME_LIMIT]
    with transaction.atomic():
        made: Campaign = Campaign.objects.create(**copied | named, created_by=actor)
        CampaignSender.objects.bulk_create(
            CampaignSender(campaign=made, sender_id=share.sender_id, weight=share.weight)
            for share in campaign.sender_shares.all()
        )
        if made.kind == Campaign.Kind.AUTOMATION:
            Automation.objects.create(campaign=made, **_starts(campaign.automation))
        about = {"copy of": campaign.pk}
        audit.record("added", made, workspace=made.workspace_id, actor=actor, after=about)
    return made


def _starts(automation: Automation) -> dict[str, Any]:
    """Its columns but for its campaign."""
    names = [column.name for column in Automation._meta.concrete_fields if not column.primary_key]
    return {name: getattr(automation, name) for name in names}


def begin(workspace: Workspace, actor: User | None = None) -> Campaign:
    """Make a draft that goes on where the last campaign of the workspace stood: few things need choosing.

    Audience, flow, tracking, goal and senders are the last campaign's, else every usable sender; without a
    flow the template is the one that was worked on last. Automations are passed over.
    """
    last = Campaign.objects.of(workspace).filter(kind=Campaign.Kind.CAMPAIGN).order_by("-pk").first()
    template = Template.objects.of(workspace).order_by("-updated_at").first()
    name = f"Campaign of {timezone.now().astimezone(workspace.zone):%-d %B %Y}"
    if last is not None:
        chosen = None if last.flow_id else template
        return clone(last, actor, name=name, template=chosen, clock=Campaign.Clock.WORKSPACE)
    senders = Sender.objects.of(workspace).filter(state__in=Sender.USABLE).values_list("pk", flat=True)
    with transaction.atomic():
        made: Campaign = Campaign.objects.create(
            workspace=workspace,
            name=name,
            audience=Audience.ALL_SUBSCRIBED,
            template=template,
            created_by=actor,
        )
        _give(made, list(senders))
        _tell_made(made, actor, senders)
    return made


def choose_content(campaign: Campaign, sender_ids: Collection[int], **columns: Any) -> None:
    """Change columns of a draft and who sends it, in one transaction; senders that stay keep their share.

    Raises NotADraft, and NotInWorkspace for a sender that is not the workspace's; then nothing is changed.
    """
    with transaction.atomic():
        change(campaign, **columns)
        known = set(Sender.objects.of(campaign.workspace).values_list("pk", flat=True))
        if foreign := set(sender_ids) - known:
            raise NotInWorkspace(
                f"There is no sender {min(foreign)} in {campaign.workspace}. Choose another."
            )
        before = _weights(campaign)
        campaign.sender_shares.exclude(sender__in=sender_ids).delete()
        _give(campaign, [pk for pk in sender_ids if pk not in before])
        _tell_senders(campaign, before)


def change(campaign: Campaign, **columns: Any) -> None:
    """Change columns of a draft with one conditional UPDATE. Raises NotADraft when it is none any more."""
    drafts = Campaign.objects.filter(pk=campaign.pk, status=Campaign.Status.DRAFT)
    with transaction.atomic():
        before = drafts.select_for_update().values("pk", *columns).first()
        if before is None or not drafts.update(updated_at=Now(), **columns):
            raise NotADraft
        after = drafts.values("pk", *columns).get()
        audit.changed(campaign, before, after, workspace=campaign.workspace_id)
    campaign.refresh_from_db()


@transaction.atomic
def automate(campaign: Campaign, **columns: Any) -> Automation:
    """Make a draft an automation, or change how it starts people. Raises NotADraft."""
    change(campaign, kind=Campaign.Kind.AUTOMATION)
    held = Automation.objects.filter(campaign=campaign).values(*columns).first()
    automation, _ = Automation.objects.update_or_create(campaign=campaign, defaults=columns)
    audit.changed(automation, held or {}, columns, workspace=campaign.workspace_id)
    return automation


@transaction.atomic
def make_one_off(campaign: Campaign) -> None:
    """Make an automation that is a draft a campaign to its audience again. Raises NotADraft."""
    change(campaign, kind=Campaign.Kind.CAMPAIGN)
    Automation.objects.filter(campaign=campaign).delete()


def _tell_made(campaign: Campaign, actor: User | None, sender_ids: Iterable[int]) -> None:
    names = ("name", "audience", "segment_id", "template_id", "flow_id")
    about = {name: getattr(campaign, name) for name in names} | {"senders": [*sender_ids]}
    audit.record("added", campaign, workspace=campaign.workspace_id, actor=actor, after=about)


def _weights(campaign: Campaign) -> dict[int, int]:
    """Who sends the campaign, with the share of each."""
    return dict(campaign.sender_shares.order_by("sender_id").values_list("sender_id", "weight"))


def _tell_senders(campaign: Campaign, before: Mapping[int, int]) -> None:
    after = {"senders": _weights(campaign)}
    audit.changed(campaign, {"senders": before}, after, workspace=campaign.workspace_id)


def _give(campaign: Campaign, sender_ids: Collection[int]) -> None:
    CampaignSender.objects.bulk_create(CampaignSender(campaign=campaign, sender_id=pk) for pk in sender_ids)


@transaction.atomic
def revise(campaign: Campaign, *, weights: Mapping[int, int] | None = None, **columns: Any) -> None:
    """Change a draft by ids: `segment_id`, `template_id`, `flow_id`, other columns, senders by their weights.

    A segment belongs to the choice of a segment only, and is forgotten with another audience. One
    transaction. Raises NotADraft, and NotInWorkspace for what does not exist in the campaign's workspace.
    """
    for column, model in REFERENCES.items():
        _find(model, campaign.workspace, columns.get(column))
    if columns.get("audience", campaign.audience) != Audience.SEGMENT:
        columns["segment_id"] = None
    change(campaign, **columns)
    if weights is None:
        return
    shares = [
        CampaignSender(campaign=campaign, sender=_find(Sender, campaign.workspace, pk), weight=weight)
        for pk, weight in weights.items()
    ]
    before = _weights(campaign)
    campaign.sender_shares.all().delete()
    CampaignSender.objects.bulk_create(shares)
    _tell_senders(campaign, before)


# Columns of a campaign that name something of its workspace.
REFERENCES: dict[str, type[WorkspaceModel]] = {
    "segment_id": Segment,
    "template_id": Template,
    "flow_id": Flow,
}


def _find(model: type[M], workspace: Workspace, pk: int | None) -> M | None:
    """The row with this id in the workspace; None for no id. Raises NotInWorkspace."""
    if pk is None:
        return None
    row = cast("M | None", model.objects.of(workspace).filter(pk=pk).first())
    if row is None:
        raise NotInWorkspace(f"There is no {model._meta.verbose_name} {pk} in {workspace}. Choose another.")
    return row
