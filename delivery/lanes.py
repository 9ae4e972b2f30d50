"""Who may send next: the lanes in which mail is due, and the turns that workers give them.

A lane is a campaign and one of its senders. Turns go around the workspaces, inside each around its
campaigns, inside each around its lanes: neither a large campaign nor a busy workspace starves another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from audience.mailbox_providers import MailboxProvider
from campaigns.models import Campaign, CampaignSender, Sender
from delivery import sql
from delivery.models import Circuit


@dataclass(frozen=True, slots=True)
class Lane:
    """A campaign and one of its senders, with the mailbox providers for which mail is due."""

    campaign: Campaign
    sender: Sender
    providers: tuple[str, ...]
    # The sender's circuit is open and may be tried by one mail.
    on_probation: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.campaign.pk, self.sender.pk


# Written out: of a table made from a parameter, PostgreSQL expects so many rows that it compiles the query.
PROVIDERS = " UNION ALL ".join(f"SELECT '{provider}' AS provider" for provider in MailboxProvider.values)


def due_lanes(campaigns: Iterable[Campaign], now: datetime) -> list[Lane]:
    """The lanes of these campaigns in which mail is due and whose sender can be used now.

    Three queries; the ledger is asked by index, once for each campaign, sender and mailbox provider.
    """
    by_id = {campaign.pk: campaign for campaign in campaigns}
    shares = CampaignSender.objects.filter(campaign__in=by_id, sender__state__in=Sender.USABLE)
    usable = {share.pk: share for share in shares.order_by("pk").select_related("sender")}
    circuits = Circuit.objects.in_bulk({share.sender_id for share in usable.values()})
    resting = {pk for pk, circuit in circuits.items() if circuit.retry_at > now}
    due = _due_providers([pk for pk, share in usable.items() if share.sender_id not in resting])
    return [
        Lane(by_id[share.campaign_id], share.sender, tuple(due[pk]), share.sender_id in circuits)
        for pk, share in usable.items()
        if pk in due
    ]


def _due_providers(share_ids: Sequence[int]) -> dict[int, list[str]]:
    """For which mailbox providers mail is due, by share; shares for which none is are left out."""
    if not share_ids:
        return {}
    # A scalar subquery, not EXISTS: PostgreSQL may turn that into a join that reads all open rows.
    statement = f"""
        SELECT share.id, recipients.provider
        FROM campaigns_campaignsender share CROSS JOIN ({PROVIDERS}) AS recipients
        WHERE share.id IN ({", ".join(["%s"] * len(share_ids))}) AND (
            SELECT 1 FROM delivery_sendlog l
            WHERE l.campaign_id = share.campaign_id AND l.sender_id = share.sender_id
              AND l.mailbox_provider = recipients.provider AND {sql.is_queued("l")}
              AND l.due_at <= {sql.now()} LIMIT 1) IS NOT NULL"""  # noqa: S608 - constants of ours
    found: dict[int, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, share_ids)
        for share_id, provider in cursor.fetchall():
            found.setdefault(share_id, []).append(provider)
    return found


@dataclass
class Turns:
    """Remembers who had a turn when, and says who is next: the one that has waited longest."""

    _count: int = 0
    _served: dict[tuple[str, object], int] = field(default_factory=dict)

    def next(self, lanes: Collection[Lane]) -> Lane | None:
        """The lane whose workspace, then campaign, then self has waited longest; None when there is none."""
        lane = min(lanes, key=self._waited_since, default=None)
        if lane is not None:
            self._count += 1
            for thing in self._things(lane):
                self._served[thing] = self._count
        return lane

    def _waited_since(self, lane: Lane) -> tuple[int, ...]:
        return tuple(self._served.get(thing, 0) for thing in self._things(lane))

    @staticmethod
    def _things(lane: Lane) -> tuple[tuple[str, object], ...]:
        return ("workspace", lane.campaign.workspace_id), ("campaign", lane.campaign.pk), ("lane", lane.key)
