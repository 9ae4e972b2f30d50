"""Which campaigns and automations use a segment, told to audience.segments when Django starts."""

from __future__ import annotations

from collections.abc import Iterable

from audience.audiences import Audience
from audience.segments import Use, register_uses
from campaigns.models import Campaign

RUNNING = (Campaign.Status.ACTIVE, Campaign.Status.PAUSED)


def register() -> None:
    register_uses(campaigns_on)


def campaigns_on(ids: Iterable[int]) -> list[Use]:
    """The campaigns and automations that ask one of these segments, the newest first. One query.

    A campaign keeps its segment when another audience is chosen; it does not use it then.
    """
    rows = Campaign.objects.filter(segment__in=ids, audience=Audience.SEGMENT).order_by("-id")
    return [
        Use(
            segment_id=campaign.segment_id,
            name=campaign.name,
            kind=campaign.get_kind_display(),
            state=campaign.status,
            is_running=campaign.status in RUNNING,
            page="admin:campaigns_campaign_change",
            pk=campaign.pk,
        )
        for campaign in rows
        if campaign.segment_id is not None
    ]
