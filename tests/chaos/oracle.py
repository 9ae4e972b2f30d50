"""The judge: the sink's log against the ledger when all is over, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.chaos.world import PATIENCE, World

OPEN = ("queued", "claimed", "sending")
# A row in one of these says that nobody has its mail.
DENIED = ("failed", "suppressed", "cancelled")


@dataclass
class Outcome:
    """What a test did and found; `wrong` says in words why it failed, and is empty when it passed."""

    faults: int = 0
    # Connections open at the kills: so many mails may be in doubt.
    allowed_unknown: int = 0
    recovered_s: float | None = None
    # Rows that each campaign must have; None: as many as there are customers.
    audience: int | None = None
    found: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    def counted(self, **numbers: int) -> None:
        """Numbers that must be 0."""
        self.found |= numbers
        for name, number in numbers.items():
            self.must(number == 0, f"{name}: {number}")


def judge(world: World, outcome: Outcome) -> dict[str, Any]:
    """Every number of the test's line but its name; adds to `outcome.wrong` what does not hold."""
    accepted = [line for line in world.sink.lines() if line["accepted"]]
    ledger = world.books.all("SELECT id, campaign_id, status FROM delivery_sendlog")
    campaigns = {row: campaign for row, campaign, _ in ledger}
    statuses = {row: status for row, _, status in ledger}
    received = {line["row"] for line in accepted}
    unknown = sum(status == "unknown" for status in statuses.values())
    outcome.counted(
        duplicates=_duplicates(accepted, campaigns),
        lost=_lost(world, outcome, statuses, received),
        denied=sum(statuses.get(row) in DENIED for row in received),
        unclaimed=sum(row not in statuses for row in received),
        sums_wrong=_wrong_sums(world),
    )
    allowed = outcome.allowed_unknown
    outcome.must(unknown <= allowed, f"unknown: {unknown}, more than {allowed}")
    outcome.must(outcome.recovered_s is not None, "it did not come to the end of its faults")
    recovered = outcome.recovered_s or 0.0
    outcome.must(recovered <= PATIENCE, f"work went on after {recovered:.0f} s only")
    return {
        "faults": outcome.faults,
        "accepted": len(accepted),
        "duplicates": outcome.found.pop("duplicates"),
        "lost": outcome.found.pop("lost"),
        "unknown": unknown,
        "allowed_unknown": allowed,
        "recovered_s": None if outcome.recovered_s is None else round(recovered, 1),
    }


def longest_pause(world: World) -> float:
    """The longest time in seconds between two mails that the sink took one after the other."""
    moments = [line["at"] for line in world.sink.lines() if line["accepted"]]
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


def _duplicates(accepted: list[dict[str, Any]], campaigns: dict[int, int]) -> int:
    """Mails that a row, or a person in a campaign, got beyond the first."""
    by_row = Counter(line["row"] for line in accepted)
    by_person = Counter((campaigns.get(line["row"]), line["to"]) for line in accepted)
    return max(len(accepted) - len(by_row), len(accepted) - len(by_person))


def _lost(world: World, outcome: Outcome, statuses: dict[int, str], received: set[int]) -> int:
    """People without a row, rows without an end, and rows that say "sent" of a mail nobody has."""
    campaigns = world.books.one("SELECT count(*) FROM campaigns_campaign WHERE status <> 'draft'")
    audience = outcome.audience if outcome.audience is not None else campaigns * world.dose.recipients
    unfinished = sum(status in (*OPEN, "cancelled") for status in statuses.values())
    unproven = sum(status == "sent" and row not in received for row, status in statuses.items())
    return abs(audience - len(statuses)) + unfinished + unproven


def _wrong_sums(world: World) -> int:
    """Numbers on the campaigns' pages that differ from the ledger."""
    statuses = ("sent", "failed", "suppressed", "cancelled", "unknown")
    columns = ", ".join(["campaign_id", "matched", *statuses])
    ledger = Counter(world.books.all("SELECT campaign_id, status FROM delivery_sendlog"))
    wrong = 0
    for campaign, matched, *sums in world.books.all(f"SELECT {columns} FROM delivery_progress"):  # noqa: S608
        expected = [ledger[campaign, status] for status in statuses]
        wrong += sum(ours != theirs for ours, theirs in zip(sums, expected, strict=True))
        wrong += matched != sum(count for (of, _), count in ledger.items() if of == campaign)
    return wrong
