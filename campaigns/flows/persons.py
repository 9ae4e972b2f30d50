"""Flows: one person: where they stand and why, and what staff may do about it. Each act is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from audience import audit, clock
from audience.models import Customer
from audience.segments import InvalidCriteria
from campaigns.flows import conditions, people, publishing
from campaigns.flows.people import Party, Reason, State
from campaigns.flows.steps import Condition, Program, Step, WaitFor
from campaigns.models import Campaign, Enrollment

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class CannotMove(Exception):
    """The person cannot be moved so; the message says why."""


@dataclass(frozen=True)
class Decision:
    """One entry of a person's timeline."""

    at: datetime | None
    step: str
    what: str
    why: str = ""


def enrollments(campaign: Campaign, customer: Customer) -> QuerySet[Enrollment]:
    """Each time that a customer began the campaign's flow, newest first."""
    return Enrollment.objects.filter(campaign=campaign, customer=customer).order_by("-id")


def sentence(enrollment: Enrollment, campaign: Campaign) -> str:
    """Where the person stands in the flow, and until when."""
    label = _label(_program(enrollment), enrollment.step)
    due = f"{enrollment.due_at.astimezone(campaign.workspace.zone):%d %b %Y, %H:%M}"
    held = " The campaign is paused, which holds them there." if _is_paused(campaign) else ""
    match enrollment.state:
        case State.ARRIVING:
            return f"Begins “{label}” on {due}.{held}"
        case State.WAITING:
            return f"Waits at “{label}” until {due}.{held}"
        case State.READY:
            return f"Is due for the mail “{label}” since {due}.{held}"
        case State.MAILING:
            return f"The mail “{label}” is on its way.{held}"
        case State.FINISHED:
            return f"Came to the end of the flow at “{label}”."
        case _:
            return f"Left the flow at “{label}”: {Reason(enrollment.reason).label.lower()}."


def timeline(enrollment: Enrollment, campaign: Campaign) -> list[Decision]:
    """What was decided about the person in this round, oldest first, with the reason of each decision."""
    program = _program(enrollment)
    began = Decision(enrollment.entered_at, "", "Began the flow", _entered_by(enrollment))
    return [began, *(_decision(item, program, campaign) for item in enrollment.path)]


def targets(enrollment: Enrollment) -> list[Step]:
    """The steps that the person could be moved to."""
    return list(_program(enrollment).steps.values())


def act(enrollment: Enrollment, what: str, actor: User, step: str = "", why: str = "") -> None:
    """Do what a page's button says: "skip", "move" to a step, or "remove". Raises CannotMove."""
    match what:
        case "skip":
            skip_wait(enrollment, actor)
        case "move" if step.isdecimal():
            move(enrollment, int(step), actor, why)
        case "remove":
            remove(enrollment, actor, why)
        case _:
            raise CannotMove("Choose what to do. Nothing was changed.")


def skip_wait(enrollment: Enrollment, actor: User) -> None:
    """Let a waiting person go on at once. Raises CannotMove."""

    def skip(person: Party) -> None:
        if person.state not in (State.WAITING, State.ARRIVING):
            raise CannotMove("This person does not wait for a moment now.")
        person.note("wait_skipped", by=actor.get_username())
        person.rest(State(person.state), person.base)

    _act(enrollment, skip, "wait skipped", actor)


def move(enrollment: Enrollment, step: int, actor: User, why: str = "") -> None:
    """Put a person before a step of their version; a mail of theirs that has not left is not sent.

    Raises CannotMove.
    """
    program = _program(enrollment)
    if step not in program.steps:
        raise CannotMove(f"There is no step {step} in the version that this person is on.")

    def put(person: Party) -> None:
        person.begin_round()
        person.path = [people.moved(person.base, person.step, why, actor.get_username())]
        person.step = step
        person.rest(State.ARRIVING, person.base)

    _act(enrollment, put, "moved in a flow", actor)


def remove(enrollment: Enrollment, actor: User, why: str = "") -> None:
    """Take a person out of the flow; a mail of theirs that has not left is not sent. Raises CannotMove."""

    def leave(person: Party) -> None:
        person.leave(Reason.REMOVED, why, by=actor.get_username())

    _act(enrollment, leave, "taken out of a flow", actor)


def _act(enrollment: Enrollment, act: Callable[[Party], None], words: str, actor: User) -> None:
    """Let `act` change a person who is on the way, under the row's lock; told in the audit log as `words`."""
    with transaction.atomic():
        if not Enrollment.objects.select_for_update().filter(pk=enrollment.pk).exists():
            raise CannotMove("This person is not in the flow.")
        campaign = Campaign.objects.select_related("workspace").get(pk=enrollment.campaign_id)
        where = f"e.id = %s AND {people.IS_OPEN}"
        found = people.take(where, [enrollment.pk], campaign.workspace.zone, 1)
        if not found:
            raise CannotMove("This person has left the flow already.")
        [person] = found
        person.base = clock.now()
        before = _told(person)
        act(person)
        people.write([person])
        name, workspace = f"Customer {enrollment.customer_id}", campaign.workspace_id
        told = {"before": before, "after": _told(person)}
        audit.record(words, enrollment, workspace=workspace, actor=actor, name=name, **told)
        if person.state == State.LEFT:
            people.count(campaign.pk, Counter(), Counter({person.step: 1}))
    enrollment.refresh_from_db()


def _told(person: Party) -> dict[str, Any]:
    """What the audit log says of somebody's place."""
    return {"step": person.step, "state": str(person.state)}


def _program(enrollment: Enrollment) -> Program:
    return publishing.program(enrollment.version)


def _label(program: Program, key: int) -> str:
    step = program.steps.get(key)
    return step.label if step else f"Step {key}"


def _is_paused(campaign: Campaign) -> bool:
    return campaign.status == Campaign.Status.PAUSED


def _entered_by(enrollment: Enrollment) -> str:
    how = enrollment.key.partition(":")[0]
    return {
        "start": "in the audience when the campaign began",
        "segment": "came into the segment",
        "event": "an event came in about them",
        "date": "the date had come",
    }.get(how, "")


WORDS = {
    "mail": "Is due for the mail",
    "skipped": "The mail was skipped",
    "waits": "Waits",
    "happened": "What was waited for has happened",
    "timed_out": "What was waited for did not happen in time",
    "yes": "Yes",
    "no": "No",
    "branch": "Took the branch",
    "updated": "The attribute was set",
    "jumped": "Went around",
    "finished": "Came to the end",
    "left": "Left the flow",
    "moved": "Was moved",
    "wait_skipped": "The wait was cut short",
    "sent": "The mail was sent",
    "failed": "The mail failed",
    "suppressed": "The mail was not sent",
    "unknown": "The mail may have been sent",
    "cancelled": "The mail was cancelled",
}
WHY = {"cutoff": "past its cutoff", "overdue": "overdue after a pause"}


def _decision(item: dict[str, Any], program: Program, campaign: Campaign) -> Decision:
    did = item["did"]
    why = WHY.get(item.get("why", ""), item.get("why", ""))
    if did in ("yes", "no", "happened", "timed_out"):
        why = _criteria(program, item["step"], campaign)
    elif did == "waits":
        why = f"until {_shown(item['until'], campaign)}"
    elif did == "branch":
        why = item["which"]
    by = f" by {item['by']}" if item.get("by") else ""
    return Decision(parse_datetime(item["at"]), _label(program, item["step"]), WORDS[did] + by, why)


def _criteria(program: Program, key: int, campaign: Campaign) -> str:
    step = program.steps.get(key)
    if step is None or not isinstance(step.what, Condition | WaitFor):
        return ""
    try:
        return conditions.describe(campaign.workspace, step.what.criteria)
    except InvalidCriteria as error:
        return str(error)


def _shown(moment: str, campaign: Campaign) -> str:
    at = datetime.fromisoformat(moment).astimezone(campaign.workspace.zone)
    return f"{at:%d %b %Y, %H:%M}"
