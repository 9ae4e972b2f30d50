"""What would go out if a worker ran now, without sending anything."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from audience import mailable
from campaigns import schedule
from campaigns.models import Campaign, Enrollment
from delivery import progress
from delivery.models import SendLog


@dataclass(frozen=True)
class Line:
    """One due campaign: mails that would leave, and people who would be refused."""

    campaign: Campaign
    mails: int
    refused: int


def forecast() -> list[Line]:
    """A line for every due campaign; writes nothing.

    Rows that are in the ledger count as they are; who is still to be filled in, as the audience
    stands now. Of a flow, those who are due for a mail count.
    """
    now = timezone.now()
    return [_line(campaign) for campaign in schedule.due_campaigns(now)]


def _line(campaign: Campaign) -> Line:
    sums = progress.of(campaign.pk)
    mails = SendLog.objects.filter(
        campaign=campaign, status=SendLog.Status.QUEUED, due_at__lte=timezone.now()
    ).count()
    if campaign.flow_id:
        ready = Enrollment.objects.filter(campaign=campaign, state=Enrollment.State.READY)
        return Line(campaign, mails + ready.filter(due_at__lte=timezone.now()).count(), 0)
    if sums.filled_at is not None:
        return Line(campaign, mails, 0)
    funnel = mailable.funnel(campaign.matching().filter(id__gt=sums.cursor))
    return Line(campaign, mails + funnel.will_be_sent, funnel.matched - funnel.will_be_sent)
