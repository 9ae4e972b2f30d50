"""Many customers in one call, in a handful of statements; what is wrong with one row stops no other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audience import attributes as typed
from audience import audit, refusals
from audience.addresses import InvalidAddress, is_mailable, normalise
from audience.consent import NO_EVIDENCE
from audience.customers import CLEANERS, clean
from audience.imports.mapping import CONSENT_FIELDS, Row, merge
from audience.imports.write import Batch, Origin, write_rows
from audience.models import Attribute, ConsentRecord, Customer, Workspace

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Rows of one call, at most.
MAX_ROWS = 10_000


class Stored(NamedTuple):
    """A row's customer, as the database has it now."""

    customer_id: int
    email: str
    is_new: bool
    subscribed: bool
    sms_subscribed: bool


@dataclass(frozen=True)
class Refused:
    """What is wrong with a row, by field; nothing of it was written."""

    problems: list[tuple[str, str]]


@transaction.atomic
def upsert(
    workspace: Workspace, rows: Iterable[Mapping[str, Any]], *, consent_note: str = "", actor: User
) -> list[Stored | Refused]:
    """Create or change one customer per row, by address; the answers are in the order of the rows.

    A field that is missing or empty leaves what is known. Consent changes as rows ask for, with the note
    as evidence, but nobody who is suppressed or has ever withdrawn is opted in: `subscribed` of the answer
    says what came of it. Two rows of one address are as if written one after the other. One transaction,
    a handful of statements; may be repeated.
    """
    parser = _Parser(workspace, consent_note)
    read = [parser.read(row) for row in rows]
    by_email: dict[str, Row] = {}
    for row in read:
        if not isinstance(row, Refused):
            email = row[0]
            by_email[email] = merge(by_email[email], row) if email in by_email else row
    stored = _write(workspace, by_email, consent_note, actor)
    created = sum(row.is_new for row in stored.values())
    about = {"created": created, "updated": len(stored) - created}
    audit.record("customers written", workspace=workspace, actor=actor, name="Customers", after=about)
    return [row if isinstance(row, Refused) else stored[row[0]] for row in read]


def _write(workspace: Workspace, rows: Mapping[str, Row], note: str, actor: User) -> dict[str, Stored]:
    """Write the rows, and read back what is there now, by address."""
    asks = any(row[slot] is not None for row in rows.values() for slot in _CONSENT_SLOTS)
    at = timezone.now()
    evidence = note or "As a call of the API says"
    origin = Origin(workspace.pk, ConsentRecord.Source.API, evidence, at, actor_id=actor.pk)
    write_rows(origin, Batch.of(rows.values()), asks=asks)
    if asks:
        # Somebody may have been opted out.
        refusals.announce(workspace.pk)
    found = Customer.objects.of(workspace).filter(email__in=list(rows))
    columns = found.values_list("pk", "email", "created_at", *CONSENT_FIELDS)
    return {email: Stored(pk, email, created == at, *consents) for pk, email, created, *consents in columns}


# Where consent stands in a row (audience.imports.mapping.ROW).
_CONSENT_SLOTS = (2 + len(CLEANERS), 3 + len(CLEANERS))


class _Parser:
    """Turns what a call says of customers into rows."""

    def __init__(self, workspace: Workspace, consent_note: str) -> None:
        self._types = dict(Attribute.objects.of(workspace).values_list("name", "type"))
        self._may_opt_in = bool(consent_note.strip())

    def read(self, given: Mapping[str, Any]) -> Row | Refused:
        """The row, or why there is none."""
        problems: list[tuple[str, str]] = []
        email, mailable = "", False
        try:
            email = normalise(given["email"])
            mailable = is_mailable(email)
        except InvalidAddress as error:
            problems.append(("email", str(error)))
        texts = [self._text(field, given.get(field) or "", problems) for field in CLEANERS]
        consents = [self._consent(field, given.get(field), problems) for field in CONSENT_FIELDS]
        attributes = self._attributes(given.get("attributes") or {}, problems)
        if problems:
            return Refused(problems)
        return [email, not mailable, *texts, *consents, json.dumps(attributes), 1]

    def _text(self, field: str, raw: str, problems: list[tuple[str, str]]) -> str:
        try:
            return clean(field, raw) if raw else ""
        except ValueError as error:
            problems.append((field, f"{error}."))
            return ""

    def _consent(self, field: str, wanted: bool | None, problems: list[tuple[str, str]]) -> bool | None:
        if wanted and not self._may_opt_in:
            problems.append((field, f"consent_note of the call is empty. {NO_EVIDENCE}"))
        return wanted

    def _attributes(self, given: Mapping[str, Any], problems: list[tuple[str, str]]) -> dict[str, Any]:
        try:
            return dict(typed.fit(self._types, given)) if given else {}
        except ValidationError as error:
            problems += [("attributes", message) for message in error.messages]
            return {}
