"""Mails and what came back about them, written directly; and their numbers, counted from the raw rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from analytics.models import Goal, GoalSum, LedgerHour, LedgerSum, Reaction, ReactionHour, ReactionSum
from analytics.reactions import COUNTED
from audience.models import CustomerEvent
from campaigns.models import Campaign, Sender
from delivery.models import Event, SendLog
from tests.factories import CustomerFactory

NUMBERS = count()
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DOMAINS = {"google": "gmail.com", "microsoft": "outlook.com", "yahoo": "yahoo.com", "other": "example.org"}


def mail(campaign: Campaign, *, sender: Sender | None = None, **columns: Any) -> SendLog:
    """A ledger row, sent unless told otherwise."""
    provider = columns.pop("mailbox_provider", "other")
    customer = columns.pop("customer", None) or CustomerFactory(workspace=campaign.workspace)
    sent = {"status": SendLog.Status.SENT, "sent_at": START} | columns
    return SendLog.objects.create(
        workspace=campaign.workspace,
        campaign=campaign,
        sender=sender or campaign.senders.first(),
        customer=customer,
        email=customer.email,
        mailbox_provider=provider,
        due_at=START,
        **sent,
    )


def event(row: SendLog, type_: str, *, minutes: int = 60, verdict: str = "", **columns: Any) -> Event:
    """Something that came back about a mail, so many minutes after the start."""
    return Event.objects.create(
        workspace_id=row.workspace_id,
        sendlog=row,
        customer_id=columns.pop("customer_id", row.customer_id),
        type=type_,
        source=Event.Source.TRACKER,
        key=f"{row.pk}:{type_}:{next(NUMBERS)}",
        verdict=verdict,
        at=START + timedelta(minutes=minutes),
        applied_at=columns.pop("applied_at", timezone.now()),
        **columns,
    )


# --- The same numbers from the raw rows, one by one ------------------------------------------------


def recounted_reactions(pruned: Iterable[Event] = ()) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """(mails, events) by what ReactionSum is kept by, and mails by what ReactionHour is.

    Of the events that there are, and of those that were pruned.
    """
    first: dict[tuple[Any, ...], list[Event]] = {}
    for found in [*Event.objects.all(), *pruned]:
        if found.type not in COUNTED:
            continue
        row = SendLog.objects.get(pk=found.sendlog_id)
        if (found.workspace_id, found.customer_id) != (row.workspace_id, row.customer_id):
            continue
        is_judged = found.type in ("opened", "clicked")
        if is_judged and not found.verdict:
            continue
        is_persons = not is_judged or found.verdict == "person"
        links = {0, found.link or 0} if found.type == "clicked" else {0}
        for people in (False, True) if is_persons else (False,):
            for link in links:
                key = (row.campaign_id, row.step, found.type, link, people, row.pk)
                first.setdefault(key, []).append(found)
    mails: Counter[Any] = Counter()
    events: Counter[Any] = Counter()
    hours: Counter[Any] = Counter()
    for (campaign, step, type_, link, people, row_id), found_here in first.items():
        row = SendLog.objects.get(pk=row_id)
        place = (0, "") if link else (row.sender_id, row.mailbox_provider)
        key = (campaign, step, type_, link, people, *place)
        mails[key] += 1
        events[key] += len(found_here)
        if not link:
            hour = int(min(each.at for each in found_here).timestamp()) // 3600
            hours[campaign, step, type_, people, hour] += 1
    return mails, events, hours


def counted_reactions() -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """The same as the tables have it."""
    mails: Counter[Any] = Counter()
    events: Counter[Any] = Counter()
    for each in ReactionSum.objects.all():
        key = (
            each.campaign_id, each.step, each.type, each.link, each.people, each.sender_id,
            each.mailbox_provider,
        )  # fmt: skip
        mails[key] += each.mails
        events[key] += each.events
    hours: Counter[Any] = Counter()
    for each_hour in ReactionHour.objects.all():
        key = (each_hour.campaign_id, each_hour.step, each_hour.type, each_hour.people, each_hour.hour)
        hours[key] += each_hour.mails
    assert min([*mails.values(), *events.values(), *hours.values()], default=0) >= 0
    return +mails, +events, +hours


def recounted_ledger() -> tuple[Counter[Any], Counter[Any]]:
    """Mails by state, and by the hour in which they were sent."""
    states: Counter[Any] = Counter()
    hours: Counter[Any] = Counter()
    for row in SendLog.objects.all():
        waits = row.status in SendLog.OPEN
        place = (
            (0, "", "waiting", "") if waits else (row.sender_id, row.mailbox_provider, row.status, row.reason)
        )
        states[row.campaign_id, row.step, *place] += 1
        if row.status == SendLog.Status.SENT and row.sent_at:
            hours[row.campaign_id, row.step, int(row.sent_at.timestamp()) // 3600] += 1
    return states, hours


def counted_ledger() -> tuple[Counter[Any], Counter[Any]]:
    """The same as the tables have it."""
    states: Counter[Any] = Counter()
    for each in LedgerSum.objects.all():
        place = (each.sender_id, each.mailbox_provider, each.status, each.reason)
        states[each.campaign_id, each.step, *place] += each.mails
    hours: Counter[Any] = Counter()
    for each_hour in LedgerHour.objects.all():
        hours[each_hour.campaign_id, each_hour.step, each_hour.hour] += each_hour.mails
    return states, hours


def did(row: SendLog, minutes: int, *, name: str = "order_placed", **properties: Any) -> CustomerEvent:
    """Something that the recipient of a mail did elsewhere, so many minutes after the start."""
    return CustomerEvent.objects.create(
        workspace_id=row.workspace_id,
        customer_id=row.customer_id,
        name=name,
        key=f"did:{next(NUMBERS)}",
        properties=properties,
        at=START + timedelta(minutes=minutes),
    )


def recounted_goals() -> dict[Any, tuple[int, int]]:
    """(events, value) by mail and basis: each event goes to the last mail in whose window it lies."""
    counted: dict[Any, list[int]] = {}
    for found in CustomerEvent.objects.all():
        for clicked in (False, True):
            for campaign in Campaign.objects.filter(goal_event=found.name):
                begun = [
                    (at, row.pk)
                    for row in SendLog.objects.filter(campaign=campaign, customer=found.customer_id)
                    if (at := _window_begins(row, clicked))
                    and at <= found.at < at + timedelta(days=campaign.goal_days)
                ]
                if begun:
                    value = found.properties.get(campaign.goal_value, 0)
                    key = max(begun)[1], clicked
                    counted.setdefault(key, []).append(round(value * 1000) if value != "x" else 0)
    return {key: (len(values), sum(values)) for key, values in counted.items()}


def _window_begins(row: SendLog, clicked: bool) -> datetime | None:
    if row.status != SendLog.Status.SENT:
        return None
    reactions = Reaction.objects.filter(sendlog=row, link=0)
    if clicked:
        click = reactions.filter(type="clicked", people_events__gt=0).first()
        return click.people_at if click else None
    return None if reactions.filter(type="bounced").exists() else row.sent_at


def counted_goals() -> dict[Any, tuple[int, int]]:
    """The same as the table has it; its sums agree with it."""
    goals = list(Goal.objects.all())
    sums: Counter[Any] = Counter()
    for each in goals:
        sums[each.campaign_id, each.step, each.clicked, "mails"] += 1
        sums[each.campaign_id, each.step, each.clicked, "events"] += each.events
        sums[each.campaign_id, each.step, each.clicked, "value"] += each.value
    kept: Counter[Any] = Counter()
    for one in GoalSum.objects.all():
        for number in ("mails", "events", "value"):
            kept[one.campaign_id, one.step, one.clicked, number] += getattr(one, number)
    assert +kept == +sums
    return {(each.sendlog_id, each.clicked): (each.events, each.value) for each in goals}


def all_counted() -> tuple[Any, ...]:
    """Everything that is counted, to be compared with a later count."""
    reactions = Reaction.objects.filter(events__gt=0).order_by("sendlog_id", "type", "link")
    columns = ("sendlog_id", "type", "link", "code", "events", "at", "people_events", "people_at")
    return (
        counted_reactions(),
        counted_ledger(),
        counted_goals(),
        list(reactions.values_list(*columns)),
    )
