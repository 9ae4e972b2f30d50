"""Run a flow through its whole time in seconds: the engine itself, by a clock that is set, without mails.

People, decisions, ledger rows, gate and settling are those of a real run, inside a transaction that is
rolled back at the end. Only two things stand in for others: every mail that passes the gate is accepted
at once, and the senders' limits are counted in memory. Opens and clicks do not happen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min

from audience import clock
from audience.models import ContactPolicy, Workspace
from campaigns.flows import publishing, starts
from campaigns.models import Campaign, CampaignSender, Enrollment, Flow, Sender
from delivery import flow_mails, limits
from delivery.claim import Claim, take
from delivery.lanes import Lane, due_lanes
from delivery.models import SendLog
from delivery.settle import Settlement, settle

WORKER = "simulator"
# With more people than this, the clock goes on by quarters of an hour; what is due keeps its minute.
FEW = 50
TICK = timedelta(minutes=15)
# Rows that pass the gate at once.
PORTION = 1_000
# A year and a leap day.
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class PlannedMail:
    """One mail of the plan: when it leaves, or why it does not."""

    customer_id: int
    email: str
    step: int
    round: int
    due_at: datetime
    # None: it does not leave.
    at: datetime | None
    status: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a flow would do to some people; `enrollments` are as they stand at the end, and saved nowhere."""

    campaign: Campaign
    mails: list[PlannedMail]
    enrollments: list[Enrollment]
    # Where the simulation stopped.
    until: datetime
    # Somebody was still on the way then.
    is_cut: bool

    def of(self, customer_id: int) -> list[PlannedMail]:
        """One person's mails, in the order in which they leave."""
        return [mail for mail in self.mails if mail.customer_id == customer_id]


def simulate(
    flow: Flow,
    people: Collection[int],
    start: datetime,
    *,
    senders: Sequence[Sender] = (),
    context: dict[str, Any] | None = None,
    longest: timedelta = LONGEST,
) -> Plan:
    """Run a flow, as its editor holds it, for these customers, beginning at `start`. Changes nothing.

    `context` are the properties of the event that they enter by. Holds locks on what the flow updates,
    and on SQLite on everything, until it is done: some milliseconds a person. Raises InvalidFlow.
    """
    with transaction.atomic():
        try:
            with clock.at(start):
                campaign = _stage(flow, people, senders, context or {})
            until = _Run(campaign, start, len(people)).to(start + longest)
            return _read(campaign, until)
        finally:
            transaction.set_rollback(True)


def _stage(
    flow: Flow, people: Collection[int], senders: Sequence[Sender], context: dict[str, Any]
) -> Campaign:
    """A campaign of its own, active, with these people about to begin."""
    publishing.publish(flow)
    campaign = Campaign.objects.create(
        workspace=flow.workspace,
        name=flow.name,
        flow=flow,
        status=Campaign.Status.ACTIVE,
        activated_at=clock.now(),
    )
    CampaignSender.objects.bulk_create(
        CampaignSender(campaign=campaign, sender=sender) for sender in senders or _usable(flow.workspace)
    )
    starts.begin(campaign)
    starts.enter_these(campaign, people, clock.now(), context)
    return campaign


def _usable(workspace: Workspace) -> list[Sender]:
    """The senders that mails could leave by; one that stands in for them where there is none."""
    usable = list(Sender.objects.of(workspace).filter(state__in=Sender.USABLE).order_by("pk"))
    return usable or [
        Sender.objects.create(
            workspace=workspace,
            name="(simulated)",
            from_name=workspace.name[:100],
            from_email="simulated@example.com",
            state=Sender.State.READY,
        )
    ]


class _Run:
    """The clock, and what is done at each moment that it stops at."""

    def __init__(self, campaign: Campaign, start: datetime, people: int) -> None:
        self._campaign = campaign
        self._now = start
        self._tick = TICK if people > FEW else timedelta()
        ids = campaign.senders.values_list("pk", flat=True)
        self._limits = {pk: _Limits(rules) for pk, rules in limits.rules(ids).items()}
        self._policy = ContactPolicy.objects.filter(workspace=campaign.workspace).first()

    def to(self, end: datetime) -> datetime:
        """Go on until nobody is on the way, or the end has come; where the clock stood last."""
        while True:
            with clock.at(self._now):
                frees_at = self._do_all()
            following = min(filter(None, [self._next_due(), frees_at]), default=None)
            if following is None or following > end:
                return self._now
            self._now = max(following, self._now + self._tick)

    def _do_all(self) -> datetime | None:
        """Whatever is due now; when the limits let more of it through, if they hold something back."""
        while True:
            while flow_mails.run(self._campaign):
                pass
            sent, frees_at = self._send()
            if not sent:
                return frees_at

    def _send(self) -> tuple[int, datetime | None]:
        total, freed = 0, list[datetime]()
        for lane in due_lanes([self._campaign], self._now):
            counted = self._limits[lane.sender.pk]
            for provider in lane.providers:
                total += self._send_to(lane, provider, counted)
                if not counted.room(provider, self._now):
                    freed.append(counted.frees_at(provider, self._now))
        return total, min(freed, default=None)

    def _send_to(self, lane: Lane, provider: str, counted: _Limits) -> int:
        """Let all due rows of a lane to one mailbox provider through the gate, and take them for sent."""
        total = 0
        while room := min(counted.room(provider, self._now), PORTION):
            passed, looked_at = take(lane, provider, WORKER, room, _admit_all, self._policy)
            counted.count(provider, len(passed), self._now)
            if passed:
                settle([Settlement(*row.claim, SendLog.Status.SENT) for row in passed], WORKER)
            total += looked_at
            if looked_at < room:
                break
        return total

    def _next_due(self) -> datetime | None:
        """The next moment at which anything is due."""
        mine = {"campaign": self._campaign, "due_at__gt": self._now}
        open_ = Enrollment.objects.filter(**mine, state__in=Enrollment.OPEN)
        people = open_.exclude(state=Enrollment.State.MAILING).aggregate(at=Min("due_at"))["at"]
        rows = SendLog.objects.filter(**mine, status=SendLog.Status.QUEUED).aggregate(at=Min("due_at"))["at"]
        return min(filter(None, [people, rows]), default=None)


def _admit_all(claims: Sequence[Claim]) -> int:
    return len(claims)


class _Limits:
    """A sender's limits, counted by the clock of the simulation."""

    def __init__(self, rules: limits.Rules) -> None:
        self._rules = rules
        # When, to which mailbox provider, how many.
        self._sent: list[tuple[datetime, str, int]] = []

    def count(self, provider: str, mails: int, now: datetime) -> None:
        if self._rules.is_limited and mails:
            self._sent.append((now, provider, mails))

    def room(self, provider: str, now: datetime) -> int:
        left = [
            amount - sum(n for _, n in self._in(to, seconds, now))
            for amount, to, seconds in self._windows(provider)
        ]
        return max(min(left, default=limits.UNLIMITED), 0)

    def frees_at(self, provider: str, now: datetime) -> datetime:
        """The first moment at which every full window has lost its oldest mails."""
        moments = [now + timedelta(seconds=1)]
        for amount, to, seconds in self._windows(provider):
            inside = list(self._in(to, seconds, now))
            if sum(n for _, n in inside) >= amount:
                moments.append(inside[0][0] + timedelta(seconds=seconds))
        return max(moments)

    def _windows(self, provider: str) -> Iterator[tuple[int, str, int]]:
        for window in self._rules.windows_to(provider):
            yield window.amount, window.provider, window.seconds
        if self._rules.day_cap is not None:
            yield self._rules.day_cap, "", limits.DAY

    def _in(self, to: str, seconds: int, now: datetime) -> Iterator[tuple[datetime, int]]:
        since = now - timedelta(seconds=seconds)
        return ((at, n) for at, provider, n in self._sent if at > since and to in ("", provider))


def _read(campaign: Campaign, until: datetime) -> Plan:
    rows = SendLog.objects.filter(campaign=campaign).order_by("due_at", "id")
    mails = [
        PlannedMail(
            row.customer_id,
            row.email,
            row.step,
            row.round,
            row.due_at,
            row.sent_at if row.status == SendLog.Status.SENT else None,
            row.status,
            row.reason,
        )
        for row in rows
    ]
    enrollments = list(Enrollment.objects.filter(campaign=campaign).select_related("version__flow"))
    is_cut = any(row.state in Enrollment.OPEN for row in enrollments)
    return Plan(campaign, mails, enrollments, until, is_cut)
