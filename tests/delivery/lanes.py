"""Claims as the tests need them: all that is due, for a worker of no interest."""

from __future__ import annotations

from collections.abc import Sequence

from audience.mailbox_providers import MailboxProvider
from campaigns.models import Campaign, Sender
from delivery.claim import Claim, Passed, claim
from delivery.journal import Journal
from delivery.lanes import Lane


def lane_of(campaign: Campaign, sender: Sender | None = None, *, on_probation: bool = False) -> Lane:
    """The lane of a campaign's first sender, unless told otherwise."""
    sender = sender or campaign.senders.order_by("id")[0]
    return Lane(campaign, sender, tuple(MailboxProvider.values), on_probation)


def admit_all(claims: Sequence[Claim]) -> int:
    return len(claims)


def take(
    campaign: Campaign, limit: int = 100, *, worker: str = "w1", journal: Journal | None = None
) -> list[Passed]:
    """Up to `limit` due rows of the campaign to other mailbox providers, through the gate."""

    def admit(claims: Sequence[Claim]) -> int:
        if journal is not None:
            journal.took(claims)
        return len(claims)

    return claim(lane_of(campaign), "other", worker, limit, admit)[0]
