"""Mails of the past and what came back about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from audience.models import Customer, Workspace
from campaigns.models import Campaign
from delivery.models import Event, SendLog
from tests.factories import CampaignFactory, CustomerFactory

# Of sending, in turn.
HOURS = (9, 14, 18)
# A Wednesday.
NOW = datetime(2026, 6, 17, 3, 10, tzinfo=UTC)


def mail(
    customer: Customer,
    sent_at: datetime,
    *,
    campaign: Campaign | None = None,
    clicked: datetime | None = None,
    opened: datetime | None = None,
    **columns: Any,
) -> SendLog:
    """A mail that was sent then, with a person's click and opening unless `columns` say whose."""
    row = _row(customer, campaign or CampaignFactory(workspace=customer.workspace), sent_at)
    row.save()
    for type_, at in ((Event.Type.CLICKED, clicked), (Event.Type.OPENED, opened)):
        if at is not None:
            react(row, type_, at, **columns)
    return row


def react(row: SendLog, type_: Event.Type, at: datetime, **columns: Any) -> None:
    _event(row, type_, at, **columns).save()


def habitual(workspace: Workspace, hour: int, *, people: int, weeks: int = 12) -> list[Customer]:
    """People who get a campaign each Tuesday, at changing hours, and click when it is next this hour."""
    customers: list[Customer] = CustomerFactory.create_batch(people, workspace=workspace)
    for week in range(1, weeks + 1):
        at = datetime(2026, 6, 16, HOURS[week % len(HOURS)], tzinfo=UTC) - timedelta(weeks=week)
        send_to(customers, CampaignFactory(workspace=workspace), at, (hour - at.hour) % 24)
    return customers


def send_to(customers: list[Customer], campaign: Campaign, at: datetime, delay: int) -> None:
    """A campaign that all of them get then, and click so many hours later."""
    rows = SendLog.objects.bulk_create(_row(customer, campaign, at) for customer in customers)
    clicked = at + timedelta(hours=delay)
    Event.objects.bulk_create(_event(row, Event.Type.CLICKED, clicked) for row in rows)


def _row(customer: Customer, campaign: Campaign, at: datetime) -> SendLog:
    return SendLog(
        workspace=customer.workspace,
        campaign=campaign,
        customer=customer,
        sender_id=1,
        email=customer.email,
        status=SendLog.Status.SENT,
        due_at=at,
        sent_at=at,
    )


def _event(row: SendLog, type_: Event.Type, at: datetime, **columns: Any) -> Event:
    judged = {"verdict": Event.Verdict.PERSON, "source": Event.Source.TRACKER} | columns
    return Event(
        workspace=row.workspace,
        sendlog=row,
        customer_id=row.customer_id,
        type=type_,
        key=f"{row.pk}:{type_}:{at}:{judged}",
        at=at,
        **judged,
    )
