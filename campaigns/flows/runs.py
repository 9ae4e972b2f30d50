"""Flows: a campaign's run as a whole: whether it is over, what is overdue after a pause, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, models
from django.db.models import Count, F, Q
from django.utils.translation import gettext_lazy as _

from audience import clock, sql
from campaigns.flows import people
from campaigns.flows.reader import read
from campaigns.flows.steps import Step
from campaigns.models import Campaign, Enrollment, Flow, FlowRun, FlowVersion, StepSum

State = Enrollment.State
ENDED = (Campaign.Status.COMPLETED, Campaign.Status.FAILED, Campaign.Status.CANCELLED)
# Enrollments ended in one transaction.
CHUNK = 10_000


class Overdue(models.TextChoices):
    """What becomes of what came due while a campaign was paused."""

    SEND = "send", _("Send it now")
    SHIFT = "shift", _("Shift everything by the length of the pause")
    SKIP = "skip", _("Skip the mails that are overdue")


@dataclass(frozen=True)
class Backlog:
    """People on their way at this moment, and those of them whose time has passed."""

    open: int
    overdue: int
    since: datetime | None


def backlog(campaign: Campaign) -> Backlog:
    """What waits in a campaign's flow. One query, which an index answers by itself."""
    now = clock.now()
    is_over = Q(due_at__lte=now) & ~Q(state=State.MAILING)
    sums = _open(campaign).aggregate(
        open=Count("step"), overdue=Count("step", filter=is_over), since=models.Min("due_at", filter=is_over)
    )
    return Backlog(sums["open"], sums["overdue"], sums["since"])


@dataclass(frozen=True)
class Line:
    """How many people are at a step, have passed it, and have left there."""

    step: int
    label: str
    kind: str
    here: int
    passed: int
    left: int


def steps(campaign: Campaign) -> list[Line]:
    """The steps of all versions that anybody of the campaign may be on, the newest version's first."""
    known = known_steps(campaign.flow_id)
    here = dict(_open(campaign).order_by().values_list("step").annotate(n=Count("*")))
    sums = {line.step: line for line in StepSum.objects.filter(campaign=campaign)}
    return [
        Line(
            key,
            step.label,
            step.kind,
            here.get(key, 0),
            sums[key].passed if key in sums else 0,
            sums[key].left if key in sums else 0,
        )
        for key, step in known.items()
    ]


def people_of(flow: Flow) -> dict[int, Line]:
    """How many people of all campaigns on a flow are at each step, have passed it and have left there."""
    campaigns = Campaign.objects.filter(flow=flow).exclude(status=Campaign.Status.DRAFT)
    ids = list(campaigns.values_list("pk", flat=True))
    if not ids:
        return {}
    open_ = Enrollment.objects.filter(campaign__in=ids, state__in=Enrollment.OPEN).order_by()
    here = dict(open_.values_list("step").annotate(n=Count("*")))
    sums = StepSum.objects.filter(campaign__in=ids).order_by().values_list("step")
    gone = {step: counts for step, *counts in sums.annotate(models.Sum("passed"), models.Sum("left"))}
    return {
        step: Line(step, "", "", here.get(step, 0), *gone.get(step, (0, 0)))
        for step in here.keys() | gone.keys()
    }


def known_steps(flow_id: int | None) -> dict[int, Step]:
    """The steps of all versions of a flow by their keys, each as the newest version has it."""
    known: dict[int, Step] = {}
    for version in FlowVersion.objects.filter(flow=flow_id).order_by("-number"):
        known |= {key: step for key, step in read(version.steps).steps.items() if key not in known}
    return known


def is_anybody_open(campaign: Campaign) -> bool:
    """Whether anybody is on the way, or may still begin."""
    return _open(campaign).exists()


def shift(campaign: Campaign, by: timedelta) -> None:
    """Put off everything that waits, so that each wait keeps what remained of it."""
    waiting = _open(campaign).exclude(state=State.MAILING)
    waiting.update(due_at=F("due_at") + by, fence=F("fence") + 1)


def skip_overdue(campaign: Campaign) -> None:
    """Skip the mails that are overdue at this moment; the people go on behind them.

    Whoever is due for one begins the step again, and finds it overdue.
    """
    now = clock.now()
    FlowRun.objects.filter(pk=campaign.pk).update(skip_before=now)
    ready = _open(campaign).filter(state=State.READY, due_at__lt=now)
    ready.update(state=State.ARRIVING, fence=F("fence") + 1)


def leave_ended() -> int:
    """End the enrollments of campaigns that have ended, a chunk at a time; how many. May be repeated."""
    statement = f"""
        UPDATE campaigns_enrollment SET state = 'left', reason = 'ended', ended_at = {sql.now()},
            fence = fence + 1
        WHERE id IN (SELECT e.id FROM campaigns_enrollment e
                     WHERE e.campaign_id = %s AND {people.IS_OPEN} LIMIT {CHUNK} {sql.skip_locked("e")})
          AND EXISTS (SELECT 1 FROM campaigns_campaign
                      WHERE id = %s AND status IN ('completed', 'failed', 'cancelled'))"""  # noqa: S608
    ended = FlowRun.objects.filter(campaign__status__in=ENDED, is_closed=False)
    total = 0
    for campaign_id in list(ended.values_list("pk", flat=True)):
        while True:
            with connection.cursor() as cursor:
                cursor.execute(statement, [campaign_id, campaign_id])
                total += cursor.rowcount
                if cursor.rowcount < CHUNK:
                    break
        if not Enrollment.objects.filter(campaign=campaign_id, state__in=Enrollment.OPEN).exists():
            FlowRun.objects.filter(pk=campaign_id).update(is_closed=True)
    return total


def _open(campaign: Campaign) -> models.QuerySet[Enrollment]:
    return Enrollment.objects.filter(campaign=campaign, state__in=Enrollment.OPEN)
