"""The door by which people come in by themselves: nobody does before their address is confirmed.

A sign-up form (delivery.signups) asks whether an address may be mailed at all, and calls `opt_in` when its
owner has confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from audience import consent, erasure, suppression
from audience.customers import save_customer
from audience.models import Attribute, Customer, Suppression, Workspace

Reason = Suppression.Reason

# What the owner of an address can take back by confirming it: their own decision, and a full mailbox.
LIFTED = frozenset({Reason.UNSUBSCRIBE, Reason.SOFT_BOUNCE})


@dataclass(frozen=True)
class Person:
    """Who has confirmed an address, and what they had typed beside it. `evidence` is kept for good."""

    email: str
    evidence: str
    ip: str | None = None
    name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


def refusal(workspace: Workspace, email: str) -> str:
    """Why a normalised address may not even be asked to confirm; '' when it may. Two queries.

    Guards those who complained, whose address is gone or whom staff suppressed, also when they were erased.
    """
    held = Suppression.objects.of(workspace).filter(email=email)
    reasons = {*held.values_list("reason", flat=True), *erasure.reasons(workspace, email)}
    labels = [str(Reason(reason).label) for reason in sorted(reasons - LIFTED)]
    return f"Suppressed: {', '.join(labels)}" if labels else ""


@transaction.atomic
def opt_in(workspace: Workspace, person: Person) -> Customer:
    """Make or find the customer, add what they typed, and opt them in for e-mail with its evidence.

    Lifts an unsubscribe and soft bounces, never a stronger suppression. What they left empty stays as it
    was; attributes that were deleted meanwhile are left out. One transaction; may be repeated.
    """
    erasure.let_back(workspace, person.email)
    texts = Attribute.objects.of(workspace).filter(type=Attribute.Type.TEXT, name__in=[*person.attributes])
    known = {name: person.attributes[name] for name in texts.values_list("name", flat=True)}
    fields: dict[str, Any] = {"name": person.name} if person.name else {}
    customer = save_customer(workspace, email=person.email, attributes=known, **fields)
    suppression.lift_soft_bounces(workspace.pk, [person.email])
    consent.confirm(customer, evidence=person.evidence, ip=person.ip)
    return customer
