"""Stage 9 of the pipeline: addresses that refuse mail for the time being, and go on doing so.

One full mailbox says nothing. An address is suppressed while its last five mails or more, over at least
seven days, all bounced softly; a sign of life ends such a run. What is decided depends on the events
alone and not on their order: a sign of life that comes late lifts the suppression again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from audience import suppression
from audience.models import Suppression, Workspace
from delivery.models import Event

MAILS = 5
SPAN = timedelta(days=7)

Type = Event.Type
COLUMNS = ("workspace", "customer_id", "sendlog__email")
LIFE = (Type.DELIVERED, Type.OPENED, Type.CLICKED)


class Address(NamedTuple):
    """An address of a workspace, and the customer whom it was mailed as."""

    workspace_id: int
    customer_id: int
    email: str


def judge(events: Iterable[Event]) -> tuple[set[Address], set[Address]]:
    """The addresses that these events show to be worn out, and those that have come back to life.

    Reads only, in three queries at most; the events are recorded already. Passes over those that name
    another customer's mail.
    """
    asked = _asked(events)
    worn_out = _worn_out(asked)
    return worn_out, asked - worn_out


def suppress(addresses: Collection[Address]) -> None:
    """Suppress worn-out addresses; may be repeated. Announce the refusal before (audience.refusals)."""
    for workspace_id, emails in _by_workspace(addresses):
        workspace = Workspace.objects.get(pk=workspace_id)
        suppression.suppress_many(workspace, emails, Suppression.Reason.SOFT_BOUNCE)


def lift(addresses: Collection[Address]) -> None:
    """Take addresses that came back to life off the list; may be repeated."""
    for workspace_id, emails in _by_workspace(addresses):
        suppression.lift_soft_bounces(workspace_id, emails)


def review(addresses: Collection[Address]) -> None:
    """Look again at addresses whose suppression is committed now.

    A sign of life that was recorded after judge() had looked, by somebody who did not see the
    suppression yet, is seen here; whoever records one from now on sees the suppression.
    """
    lift({*addresses} - _worn_out(addresses))


def _asked(events: Iterable[Event]) -> set[Address]:
    """The addresses of soft bounces, and of signs of life where soft bounces had suppressed them."""
    telling = [event.pk for event in events if event.bounce == Event.Bounce.SOFT or event.type in LIFE]
    if not telling:
        return set()
    listed = Suppression.objects.filter(
        workspace=OuterRef("workspace"),
        email=OuterRef("sendlog__email"),
        reason=Suppression.Reason.SOFT_BOUNCE,
    )
    found = _fitting().filter(Q(bounce=Event.Bounce.SOFT) | Exists(listed), pk__in=telling)
    return {Address(*row) for row in found.values_list(*COLUMNS)}


def _worn_out(addresses: Collection[Address]) -> set[Address]:
    """Which of the addresses have bounced softly so often, and for so long, since their last sign of life."""
    if not addresses:
        return set()
    known = _fitting().filter(customer_id__in={address.customer_id for address in addresses})
    # A mail that was called delivered and bounced afterwards did not arrive.
    came_back = Event.objects.filter(sendlog=OuterRef("sendlog"), type=Type.BOUNCED, at__gte=OuterRef("at"))
    life = known.filter(~Exists(came_back), type__in=LIFE).values_list(*COLUMNS).annotate(last=Max("at"))
    alive = {Address(*row[:3]): row[3] for row in life}
    runs: dict[Address, dict[int, datetime]] = defaultdict(dict)
    bounces = known.filter(type=Type.BOUNCED, bounce=Event.Bounce.SOFT).order_by("at")
    for *columns, mail, at in bounces.values_list(*COLUMNS, "sendlog", "at"):
        address = Address(*columns)
        if address not in alive or at > alive[address]:
            runs[address][mail] = at
    return {address for address in addresses if _is_long(runs[address])}


def _is_long(run: dict[int, datetime]) -> bool:
    return len(run) >= MAILS and max(run.values()) - min(run.values()) >= SPAN


def _fitting() -> QuerySet[Event]:
    """The events that name the mail of their own workspace and customer."""
    return Event.objects.filter(sendlog__workspace=F("workspace"), sendlog__customer=F("customer_id"))


def _by_workspace(addresses: Collection[Address]) -> Iterator[tuple[int, list[str]]]:
    for workspace_id in sorted({address.workspace_id for address in addresses}):
        yield workspace_id, [known.email for known in addresses if known.workspace_id == workspace_id]
