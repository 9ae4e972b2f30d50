"""The life of a campaign: the one place where its status changes.

draft -> active <-> paused -> completed, and failed or cancelled out of active and paused; completed
and failed may become active once more for mails of doubtful fate. Every change is one conditional
UPDATE and its history row, in one transaction; all doors call these functions, and docs/states.md is
tested against TRANSITIONS.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audience import audit, clock
from campaigns import content
from campaigns.flows import runs, starts
from campaigns.flows.runs import Overdue
from campaigns.models import Campaign, CampaignTransition

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Status = Campaign.Status


@dataclass(frozen=True)
class Transition:
    """What an action needs and what it leads to; `verb` fits into "can be …"."""

    sources: tuple[Status, ...]
    target: Status
    verb: str


TRANSITIONS = {
    "activate": Transition((Status.DRAFT,), Status.ACTIVE, "activated"),
    "pause": Transition((Status.ACTIVE,), Status.PAUSED, "paused"),
    "resume": Transition((Status.PAUSED,), Status.ACTIVE, "resumed"),
    "complete": Transition((Status.ACTIVE, Status.PAUSED), Status.COMPLETED, "completed"),
    "cancel": Transition((Status.ACTIVE, Status.PAUSED), Status.CANCELLED, "cancelled"),
    "fail": Transition((Status.ACTIVE, Status.PAUSED), Status.FAILED, "failed"),
    "reopen": Transition((Status.COMPLETED, Status.FAILED), Status.ACTIVE, "reopened"),
}
# Not for people to choose by themselves: `fail` is Drumbeat's own, `reopen` a part of delivery.unknown.
NOT_OFFERED = ("fail", "reopen")


class InvalidTransition(Exception):
    """The campaign's status does not allow this action; the message says which it does."""

    def __init__(self, campaign: Campaign, action: str) -> None:
        possible = [TRANSITIONS[name].verb for name in possible_actions(campaign.status)]
        hint = f"It can be {' or '.join(possible)}." if possible else "Nothing more can be done with it."
        super().__init__(
            f"“{campaign.name}” is {campaign.status} and cannot be {TRANSITIONS[action].verb}. {hint}"
        )


class NotReady(Exception):
    """The draft cannot be activated; `problems` says what must be mended."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))


def possible_actions(status: str) -> list[str]:
    """The actions that people may take on a campaign in this status."""
    return [name for name, rule in TRANSITIONS.items() if status in rule.sources and name not in NOT_OFFERED]


def activate(campaign: Campaign, actor: User | None = None) -> None:
    """Freeze the content and set the campaign off; it sends when its start has come.

    Guards that nothing is missing (NotReady) and that it is a draft (InvalidTransition). Commits the
    frozen content, the status and the history row together. A second call is refused: a double
    click activates once.
    """
    with transaction.atomic():
        _refuse_unless_possible(campaign, "activate")
        # What has to hold before anything is sent; workers do without it (decision 11).
        from campaigns import readiness

        problems = readiness.problems(campaign, timezone.now())
        if problems:
            raise NotReady(problems)
        frozen = None
        if campaign.template is not None and campaign.flow is None:
            frozen = content.freeze(campaign.template, campaign.utm_parameters())
        tracked = campaign.tracked and campaign.workspace.tracked
        _move(campaign, "activate", actor, "", content=frozen, tracked=tracked, activated_at=Now())
        if campaign.flow is not None:
            starts.begin(campaign)


def bring_to(
    campaign: Campaign, target: Status, actor: User, reason: str = "", *, overdue: Overdue = Overdue.SEND
) -> None:
    """Take the one action that people may take from here to `target`; nothing when it is there already.

    Raises what the action raises, and InvalidTransition when there is none.
    """
    campaign.refresh_from_db(fields=["status"])
    if campaign.status == target:
        return
    possible = possible_actions(campaign.status)
    leading = [name for name, rule in TRANSITIONS.items() if rule.target == target]
    action = next((name for name in leading if name in possible), leading[0])
    match action:
        case "activate":
            activate(campaign, actor)
        case "pause":
            pause(campaign, actor, reason)
        case "resume":
            resume(campaign, actor, reason, overdue=overdue)
        case "complete":
            complete(campaign, actor, reason or "Ended by hand.")
        case "cancel":
            cancel(campaign, actor, reason)
        case _:
            raise InvalidTransition(campaign, action)


def pause(campaign: Campaign, actor: User | None = None, reason: str = "") -> None:
    """Hold the campaign: no mail is handed over after the batch that a worker has in hand."""
    _move(campaign, "pause", actor, reason, result=reason)


def resume(
    campaign: Campaign, actor: User | None = None, reason: str = "", *, overdue: Overdue = Overdue.SEND
) -> None:
    """Go on with exactly those who have not been reached.

    In a flow, what came due during the pause is sent now, or everything that waits is put off by the
    length of the pause, or the mails that are overdue are skipped. Committed with the status.
    """
    chosen = str(Overdue(overdue).label) if campaign.flow else ""
    with transaction.atomic():
        _move(campaign, "resume", actor, ". ".join(filter(None, [reason, chosen])), result="")
        if campaign.flow is not None and overdue == Overdue.SHIFT:
            runs.shift(campaign, _length_of_pause(campaign))
        elif campaign.flow is not None and overdue == Overdue.SKIP:
            runs.skip_overdue(campaign)


def _length_of_pause(campaign: Campaign) -> timedelta:
    paused = campaign.transitions.filter(action="pause").last()
    return clock.now() - paused.at if paused else timedelta()


def complete(campaign: Campaign, actor: User | None = None, result: str = "") -> None:
    """End the campaign as done; who has not been reached stays so, with that reason."""
    _move(campaign, "complete", actor, result, result=result, finished_at=Now())


def cancel(campaign: Campaign, actor: User | None = None, reason: str = "") -> None:
    """End the campaign for good; who has not been reached is not mailed."""
    _move(campaign, "cancel", actor, reason, result=reason or "Cancelled.", finished_at=Now())


def fail(campaign: Campaign, error: str) -> None:
    """End the campaign because it could not be sent; `error` says why."""
    _move(campaign, "fail", None, error, result=error, finished_at=Now())


def reopen(campaign: Campaign, actor: User | None, reason: str) -> None:
    """Let an ended campaign send once more; `reason` says what.

    Its content stays as it was frozen. The caller has made sure, in the same transaction, that nobody
    else of its audience is reached by this (delivery.unknown).
    """
    _move(campaign, "reopen", actor, reason, result="", finished_at=None)


def note(campaign: Campaign, actor: User | None, words: str) -> None:
    """Write into the campaign's history what was done that leaves its status as it is."""
    with transaction.atomic(savepoint=False):
        CampaignTransition.objects.create(
            campaign=campaign,
            action="note",
            from_status=campaign.status,
            to_status=campaign.status,
            actor=actor,
            reason=words[:500],
        )
        about = {"note": words}
        audit.record("noted", campaign, workspace=campaign.workspace_id, actor=actor, after=about)


def was_ended_by_hand(campaign: Campaign) -> bool:
    """Whether somebody ended the campaign, and not Drumbeat because there was nothing left to send."""
    last = campaign.transitions.filter(to_status=campaign.status).exclude(action="note").last()
    return last is not None and last.actor_id is not None


def restate(campaign: Campaign, result: str) -> None:
    """Correct the sentence that Drumbeat itself completed a campaign with; a person's words stay."""
    if not campaign.result or was_ended_by_hand(campaign):
        return
    rows = Campaign.objects.filter(pk=campaign.pk, status=Status.COMPLETED)
    rows.update(result=result, updated_at=Now())


def _refuse_unless_possible(campaign: Campaign, action: str) -> str:
    """Read the status as it stands now, and refuse the action unless it is possible from there."""
    campaign.refresh_from_db(fields=["status"])
    if campaign.status not in TRANSITIONS[action].sources:
        raise InvalidTransition(campaign, action)
    return campaign.status


def _move(campaign: Campaign, action: str, actor: User | None, reason: str, **columns: Any) -> None:
    """Change the status and write its history row, or raise InvalidTransition and change nothing.

    The UPDATE names the status that was read: of two doors that both read it, one finds no row.
    """
    with transaction.atomic():
        before = _refuse_unless_possible(campaign, action)
        target = TRANSITIONS[action].target
        moved = Campaign.objects.filter(pk=campaign.pk, status=before).update(
            status=target, updated_at=Now(), **columns
        )
        if not moved:
            campaign.refresh_from_db(fields=["status"])
            raise InvalidTransition(campaign, action)
        CampaignTransition.objects.create(
            campaign=campaign,
            action=action,
            from_status=before,
            to_status=target,
            actor=actor,
            reason=reason[:500],
        )
        audit.record(
            action,
            campaign,
            workspace=campaign.workspace_id,
            actor=actor,
            before={"status": before},
            after={"status": target, "reason": reason},
        )
    campaign.refresh_from_db()
