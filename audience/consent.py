"""The only writer of `subscribed` and `sms_subscribed`, apart from imports; keeps the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audience import audit, refusals
from audience.models import ConsentRecord, Customer, Suppression
from audience.suppression import lift_unsubscribe, suppress

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Channel = ConsentRecord.Channel
Source = ConsentRecord.Source

# What is typed as evidence, and what Drumbeat writes itself, wording included.
MAX_EVIDENCE = 300
MAX_PROOF = 1000
NO_EVIDENCE = "Say where and how the person agreed: it is kept as evidence."
# The column of Customer that says whether a channel is opted in.
FLAGS = {Channel.EMAIL: "subscribed", Channel.SMS: "sms_subscribed"}


@transaction.atomic
def subscribe(
    customer: Customer,
    *,
    channel: Channel,
    source: Source,
    evidence: str = "",
    actor: User | None = None,
    ip: str | None = None,
) -> bool:
    """Opt a customer in because the person asked for it, or staff did in their name.

    For e-mail this lifts an earlier unsubscribe, never a bounce, a complaint or what staff suppressed.
    One transaction; may be repeated. Returns whether anything changed. Raises Customer.DoesNotExist.
    """
    current = _locked(customer)
    lifted = channel == Channel.EMAIL and lift_unsubscribe(current.workspace, current.email)
    changed = _set_flag(customer, current, channel, True) or lifted
    if changed:
        _record(current, channel, True, evidence, source=source, actor=actor, ip_address=ip)
    return changed


@transaction.atomic
def confirm(customer: Customer, *, evidence: str, ip: str | None) -> None:
    """Opt in for e-mail whoever has confirmed their address by a link that was mailed to it.

    As `subscribe`, but recorded even where nothing changes: it proves more than what was there before.
    """
    channel, source = Channel.EMAIL, Source.SIGN_UP
    if not subscribe(customer, channel=channel, source=source, evidence=evidence, ip=ip):
        _record(_locked(customer), channel, True, evidence, source=source, actor=None, ip_address=ip)


@transaction.atomic
def unsubscribe(
    customer: Customer,
    *,
    channel: Channel,
    source: Source,
    evidence: str = "",
    actor: User | None = None,
    ip: str | None = None,
) -> bool:
    """Opt a customer out; for e-mail the address is suppressed as well, also for mails already queued.

    One transaction; may be repeated. Returns whether anything changed. Raises Customer.DoesNotExist.
    """
    if channel == Channel.EMAIL:
        refusals.announce(customer.workspace_id)
    current = _locked(customer)
    changed = _set_flag(customer, current, channel, False) or not _has_withdrawn(current, channel)
    if channel == Channel.EMAIL:
        suppress(current.workspace, current.email, Suppression.Reason.UNSUBSCRIBE, actor=actor)
    if changed:
        _record(current, channel, False, evidence, source=source, actor=actor, ip_address=ip)
    return changed


@transaction.atomic
def change(
    customer: Customer,
    wanted: Mapping[Channel, bool],
    *,
    source: Source,
    evidence: str,
    actor: User | None = None,
) -> None:
    """Opt a customer in or out of several channels. One transaction; may be repeated.

    Raises ValidationError for an opt-in without evidence, and then nothing is changed.
    """
    opts_in = any(granted and not getattr(customer, FLAGS[channel]) for channel, granted in wanted.items())
    if opts_in and not evidence.strip():
        raise ValidationError({"consent_note": NO_EVIDENCE})
    for channel, granted in wanted.items():
        act = subscribe if granted else unsubscribe
        act(customer, channel=channel, source=source, evidence=evidence, actor=actor)


def _locked(customer: Customer) -> Customer:
    """The customer as stored, locked until the end of the transaction.

    An import waits for this lock before it reads suppressions and withdrawals, so it sees this one.
    """
    rows = Customer.objects.select_for_update(of=("self",)).select_related("workspace")
    row: Customer = rows.get(pk=customer.pk)
    return row


def _set_flag(customer: Customer, current: Customer, channel: Channel, granted: bool) -> bool:
    """Set the channel's flag in the database and on the caller's object; says whether it changed."""
    flag = FLAGS[channel]
    setattr(customer, flag, granted)
    if getattr(current, flag) == granted:
        return False
    setattr(current, flag, granted)
    current.updated_at = timezone.now()
    current.save(update_fields=[flag, "updated_at"])
    return True


def _has_withdrawn(customer: Customer, channel: Channel) -> bool:
    """Whether the last that is recorded for this channel is a withdrawal."""
    last = ConsentRecord.objects.filter(customer=customer, channel=channel).order_by("-id").first()
    return last is not None and not last.granted


def _record(customer: Customer, channel: Channel, granted: bool, evidence: str, **how: Any) -> None:
    ConsentRecord.objects.create(
        workspace=customer.workspace,
        customer=customer,
        email=customer.email,
        channel=channel,
        granted=granted,
        evidence=evidence[:MAX_PROOF],
        **how,
    )
    if how["actor"] is not None:
        # Without the evidence, in which a person may be named.
        action, name = "opted in" if granted else "opted out", f"Customer {customer.pk}"
        after, actor = {"channel": channel.value}, how["actor"]
        audit.record(action, customer, workspace=customer.workspace_id, actor=actor, name=name, after=after)
