"""Stage 9 of the pipeline, second half: the one place through which events act upstream."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audience import consent, suppression
from audience.models import ConsentRecord, Customer, Suppression
from delivery import events
from delivery.models import Event, SendLog
from delivery.tokens import Reference


def unsubscribe(about: Reference, source: Event.Source, ip: str | None = None) -> None:
    """Opt the person behind a link out of e-mail, at once; harmless when repeated.

    Commits the event first, then its consequences. Works for as long as the customer exists, also
    when the campaign and its ledger are gone, and again for one who opted in anew.
    """
    now = timezone.now()
    fact = now.strftime("%Y%m%dT%H%M%S")
    apply(events.record(about, Event.Type.UNSUBSCRIBED, source, fact=fact, at=now), ip=ip)


def apply(event: Event, *, ip: str | None = None) -> None:
    """Do what follows from an event, and note that it is done, in one transaction.

    May be repeated: an event that was applied is passed over, and each consequence is harmless
    when it comes twice.
    """
    with transaction.atomic():
        claimed = Event.objects.filter(pk=event.pk, applied_at=None).update(applied_at=Now())
        if claimed and event.type == Event.Type.UNSUBSCRIBED:
            _unsubscribe(event, ip)


def apply_left_over() -> None:
    """Apply the events that were recorded but not applied, because a process died in between."""
    for event in Event.objects.filter(applied_at=None).order_by("id")[:1000]:
        apply(event)


def _unsubscribe(event: Event, ip: str | None) -> None:
    """Opt the customer out; of one who was deleted, suppress the address that the mail went to."""
    customer = Customer.objects.filter(pk=event.customer_id, workspace_id=event.workspace_id).first()
    if customer is not None:
        consent.unsubscribe(
            customer,
            channel=ConsentRecord.Channel.EMAIL,
            source=ConsentRecord.Source(event.source),
            evidence=f"mail {event.sendlog_id}",
            ip=ip,
        )
        return
    rows = SendLog.objects.filter(workspace_id=event.workspace_id, customer_id=event.customer_id)
    row = rows.select_related("workspace").filter(pk=event.sendlog_id).first()
    if row is not None:
        suppression.suppress(row.workspace, row.email, Suppression.Reason.UNSUBSCRIBE)
