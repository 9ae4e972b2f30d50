"""Flows: people on their way, as rows that workers take in hand and write back in one statement.

Who takes rows locks them until the end of the transaction, and every write raises the fence: of two who
hold the same row by mistake, the second changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F

from audience import sql
from campaigns.models import Campaign, Enrollment, StepSum

State = Enrollment.State
Reason = Enrollment.Reason

IS_ACTIVE = "EXISTS (SELECT 1 FROM campaigns_campaign WHERE id = %s AND status = 'active')"
# In the words of the index enrollment_open: SQLite uses it only where its whole condition is repeated.
IS_OPEN = "e.state IN ('arriving', 'waiting', 'ready', 'mailing')"


@dataclass(slots=True)
class Party:
    """Enrollments in a worker's hands that stand at one place, with one moment and one clock.

    They go together until something tells them apart. What the walk changes is written back by `write`.
    """

    # The customer of each enrollment.
    members: dict[int, int]
    version: int
    fence: int
    # Of the customers, or the workspace's; None: they were deleted.
    zone: ZoneInfo | None
    state: str
    step: int
    round: int
    # As it was stored: when the step was due.
    was_due: datetime
    # What the next wait counts from.
    base: datetime
    due: datetime
    reason: str = ""
    path: list[dict[str, Any]] = field(default_factory=list)
    # They have gone around: what was decided before is left behind.
    is_new_round: bool = False

    def __len__(self) -> int:
        return len(self.members)

    def part(self, ids: Collection[int]) -> Party:
        """Those of the party with these ids, as a party of their own."""
        return replace(self, members={pk: self.members[pk] for pk in ids}, path=list(self.path))

    def note(self, did: str, **more: Any) -> None:
        self.path.append({"at": self.base.isoformat(), "step": self.step, "did": did, **more})

    def rest(self, state: State, due: datetime) -> None:
        self.state, self.due = state, due

    def leave(self, reason: Reason, why: str = "", **more: Any) -> None:
        self.state, self.reason, self.due = State.LEFT, reason, self.base
        self.note("left", why=why or reason.value, **more)

    def begin_round(self) -> None:
        self.round += 1
        self.is_new_round, self.path = True, []


def moved(at: datetime, step: int, why: str, by: str = "") -> dict[str, Any]:
    """The entry of a path that says who was put where by hand; `step` is where they were."""
    return {"at": at.isoformat(), "step": step, "did": "moved", "why": why} | ({"by": by} if by else {})


def due(campaign: Campaign, state: State, now: datetime) -> tuple[str, list[Any]]:
    """The condition on `e` that finds those of an active campaign who are in a state and due."""
    condition = f"e.campaign_id = %s AND {IS_OPEN} AND e.state = '{state}' AND e.due_at <= %s AND {IS_ACTIVE}"
    return condition, [campaign.pk, sql.moment(now), campaign.pk]


def take(where: str, params: Sequence[Any], zone: ZoneInfo, limit: int) -> list[Party]:
    """Lock the enrollments that a condition on `e` finds, those due longest first; skips locked ones.

    Within the caller's transaction.
    """
    sql.plan_plainly()
    # Locked before anything is joined to them, so that no plan looks at more of them than it takes.
    statement = f"""
        WITH mine AS {sql.materialised()} (
            SELECT e.id, e.customer_id, e.version_id, e.fence, e.state, e.step, e.round, e.due_at
            FROM campaigns_enrollment e WHERE {where}
            ORDER BY e.due_at LIMIT {limit:d} {sql.skip_locked()})
        SELECT mine.id, mine.customer_id, version_id, fence, state, step, round, due_at, p.time_zone
        FROM mine LEFT JOIN audience_customer p ON p.id = mine.customer_id"""  # noqa: S608 - constants of ours
    places: dict[tuple[Any, ...], dict[int, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        for pk, customer, *place in cursor.fetchall():
            places.setdefault(tuple(place), {})[pk] = customer
    return [_party(members, zone, *place) for place, members in places.items()]


def _party(
    members: dict[int, int],
    zone: ZoneInfo,
    version: int,
    fence: int,
    state: str,
    step: int,
    round_: int,
    due_at: Any,
    name: str | None,
) -> Party:
    theirs = None if name is None else ZoneInfo(name) if name else zone
    at = sql.as_moment(due_at)
    return Party(members, version, fence, theirs, state, step, round_, at, at, at)


_PLACE = {
    "party": "integer",
    "fence": "integer",
    "state": "text",
    "step": "integer",
    "round": "integer",
    "due": "timestamptz",
    "reason": "text",
    "path": "jsonb",
    "anew": "boolean",
    "ended": "timestamptz",
}
_MEMBER = {"id": "bigint", "party": "integer"}


def write(parties: Iterable[Party]) -> int:
    """Write the new places of parties in one statement; how many people were still as they had been taken."""
    moved = [party for party in parties if party.members]
    if not moved:
        return 0
    places = [_place(number, party) for number, party in enumerate(moved)]
    members = [{"id": pk, "party": number} for number, party in enumerate(moved) for pk in party.members]
    statement = f"""
        UPDATE campaigns_enrollment AS e
        SET state = r.state, step = r.step, round = r.round, due_at = r.due, reason = r.reason,
            ended_at = r.ended, fence = e.fence + 1,
            path = CASE WHEN r.anew THEN r.path ELSE {sql.concatenated("e.path", "r.path")} END
        FROM {sql.table(_MEMBER)} AS m JOIN {sql.table(_PLACE)} AS r ON r.party = m.party
        WHERE e.id = m.id AND e.fence = r.fence"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [sql.rows(members), sql.rows(places)])
        return int(cursor.rowcount)


def _place(number: int, party: Party) -> dict[str, Any]:
    due_at = sql.moment(party.due)
    return {
        "party": number,
        "fence": party.fence,
        "state": party.state,
        "step": party.step,
        "round": party.round,
        "due": due_at,
        "reason": party.reason,
        "path": party.path,
        "anew": party.is_new_round,
        "ended": due_at if party.state in (State.FINISHED, State.LEFT) else None,
    }


def count(campaign_id: int, passed: Counter[int], left: Counter[int]) -> None:
    """Add to the sums of a campaign's steps, in their order; at the end of the caller's transaction."""
    steps = sorted(passed.keys() | left.keys())
    known = set(StepSum.objects.filter(campaign=campaign_id, step__in=steps).values_list("step", flat=True))
    missing = [StepSum(campaign_id=campaign_id, step=step) for step in steps if step not in known]
    if missing:
        StepSum.objects.bulk_create(missing, ignore_conflicts=True)
    for step in steps:
        StepSum.objects.filter(campaign=campaign_id, step=step).update(
            passed=F("passed") + passed[step], left=F("left") + left[step]
        )
