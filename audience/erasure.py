"""Forgetting a person, as far as the audience knows them; delivery.erasure forgets the rest with it.

A suppression must outlive the erasure, or the next import would mail a person who asked to be left alone.
So a keyed hash of the address stays, by which nobody can read it and every door recognises it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from audience import suppression
from audience.models import ConsentRecord, Customer, ErasedAddress, Suppression, Workspace

NOTE = "Was erased on request, and is not mailed."
CHUNK = 5_000


def stand_in(number: int) -> str:
    """What stands where the address stood, of a customer with this id. RFC 2606 has nobody there."""
    return f"erased-{number}@erased.invalid"


def forget(workspace: Workspace, email: str, customer: Customer | None, number: int) -> dict[str, int]:
    """Erase the customer, consents, suppression and admin log of an address; how many rows each.

    Within the caller's transaction. What the record of consent proves stays, without the person.
    """
    held = Suppression.objects.of(workspace).filter(email=email).first()
    reason = held.reason if held else Suppression.Reason.UNSUBSCRIBE
    for key in digests(workspace, email)[:1]:
        ErasedAddress.objects.update_or_create(workspace=workspace, digest=key, defaults={"reason": reason})
    gone = {"admin log": _forget_log(email, customer, held)}
    consents = ConsentRecord.objects.of(workspace).filter(email=email)
    blank = {"email": stand_in(number), "evidence": "", "ip_address": None}
    gone["consents"] = consents.update(**blank)
    if customer is not None:
        gone["consents"] += ConsentRecord.objects.filter(customer=customer).update(**blank)
    gone["suppressions"] = Suppression.objects.of(workspace).filter(email=email).delete()[0]
    gone["customers"] = int(customer is not None)
    if customer is not None:
        customer.delete()
    return gone


def bring_back(workspace_id: int, emails: Iterable[str]) -> int:
    """Suppress again those of these addresses that were erased. Every door that writes customers calls it.

    Within the caller's transaction, before consent is written. May be repeated. One query where nobody
    was ever erased, one more for 5,000 addresses else.
    """
    if not ErasedAddress.objects.filter(workspace=workspace_id).exists():
        return 0
    workspace = Workspace.objects.get(pk=workspace_id)
    by_digest = {digest: email for email in set(emails) for digest in digests(workspace, email)}
    known: list[tuple[str, str]] = []
    keys = list(by_digest)
    for start in range(0, len(keys), CHUNK):
        rows = ErasedAddress.objects.of(workspace).filter(digest__in=keys[start : start + CHUNK])
        known += rows.values_list("reason", "digest")
    for reason, group in groupby(sorted(known), key=lambda row: row[0]):
        emails_back = [by_digest[digest] for _, digest in group]
        suppression.suppress_many(workspace, emails_back, Suppression.Reason(reason), note=NOTE)
    return len(known)


def reasons(workspace: Workspace, email: str) -> list[str]:
    """Why an address that was erased must not be mailed; empty when it never was. One query."""
    erased = ErasedAddress.objects.of(workspace).filter(digest__in=digests(workspace, email))
    return list(erased.values_list("reason", flat=True))


def let_back(workspace: Workspace, email: str) -> None:
    """Forget that an address was erased, whose owner opts in again; never one with a stronger reason.

    Else the next door to write them would suppress them again. Within the caller's transaction.
    """
    erased = ErasedAddress.objects.of(workspace).filter(digest__in=digests(workspace, email))
    erased.filter(reason=Suppression.Reason.UNSUBSCRIBE).delete()


def digests(workspace: Workspace, email: str) -> list[str]:
    """The hashes of an address, by the newest key first: those of links, which are kept for years."""
    said = f"erased\0{workspace.pk}\0{email}".encode()
    return [hmac.digest(key.encode(), said, "sha256").hex() for key in settings.LINK_KEYS]


def _forget_log(email: str, customer: Customer | None, held: Suppression | None) -> int:
    """Django's own log names what was changed: the entries stay, the names go."""
    gone = 0
    for model, row in ((Customer, customer), (Suppression, held)):
        entries = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
        blank: dict[str, Any] = {"object_repr": "(erased)", "change_message": ""}
        gone += entries.filter(object_repr=email).update(**blank)
        if row is not None:
            gone += entries.filter(object_id=str(row.pk)).update(**blank)
    return gone
