"""Drafts: making a campaign and changing it while nothing has been sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import transaction
from django.db.models.functions import Now

from audience.audiences import Audience
from audience.models import Segment, Workspace, WorkspaceModel
from campaigns.models import Campaign, CampaignSender, Flow, Sender, Template

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
    return Draft(campaign, notices)


def change(campaign: Campaign, **columns: Any) -> None:
    """Change columns of a draft with one conditional UPDATE. Raises NotADraft when it is none any more."""
    changed = Campaign.objects.filter(pk=campaign.pk, status=Campaign.Status.DRAFT).update(
        updated_at=Now(), **columns
    )
    if not changed:
        raise NotADraft
    campaign.refresh_from_db()


def _find(model: type[M], workspace: Workspace, pk: int | None) -> M | None:
    """The row with this id in the workspace; None for no id. Raises NotInWorkspace."""
    if pk is None:
        return None
    row = cast("M | None", model.objects.of(workspace).filter(pk=pk).first())
    if row is None:
        raise NotInWorkspace(f"There is no {model._meta.verbose_name} {pk} in {workspace}. Choose another.")
    return row
