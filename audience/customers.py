"""The door for one customer: staff and API write through `save_customer`, imports share `clean`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from audience import attributes as typed
from audience import audit, erasure
from audience.addresses import InvalidAddress, is_mailable, normalise
from audience.models import Attribute, Customer, Workspace

_control = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_language = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_known_time_zones = cache(available_timezones)


def clean(field: str, raw: str) -> str:
    """Return the text as this customer field stores it. Raises ValueError saying what is wrong."""
    text = CLEANERS[field](raw)
    if len(text) > (limit := MAX_LENGTHS[field]):
        raise ValueError(f"longer than {limit} characters")
    return text


def save_customer(
    workspace: Workspace,
    *,
    email: str,
    customer: Customer | None = None,
    attributes: Mapping[str, Any] | None = None,
    tracked: bool | None = None,
    **fields: str,
) -> Customer:
    """Create or change one customer: the given one, else the one with this address.

    Fields and attributes that are not given stay as they are; None and "" remove an attribute. Consent
    is not written here (audience.consent does that). One transaction; may be repeated. Raises
    ValidationError with messages by field, and then nothing is written.
    """
    values = _checked(email, fields) | ({} if tracked is None else {"tracked": tracked})
    given = dict(attributes or {})
    try:
        checked = typed.check(workspace, given)
    except ValidationError as error:
        raise ValidationError({"attributes": error.messages}) from error
    try:
        with transaction.atomic():
            erasure.bring_back(workspace.pk, [values["email"]])
            row, is_new = _locked(workspace, values["email"], customer)
            values["attributes"] = {k: v for k, v in row.attributes.items() if k not in given} | checked
            _tell(row, values, is_new)
            return _write(row, values)
    except IntegrityError as error:
        raise ValidationError({"email": "Another customer has this address."}) from error


def address_begins(start: str) -> Q:
    """Rows whose e-mail address begins with this, in lower case: an index answers."""
    begins = Q(email__startswith=start)
    if connection.vendor == "sqlite":
        # SQLite uses no index for LIKE, but it compares bytes: the same as a range.
        begins &= Q(email__gte=start, email__lt=start + chr(0x10FFFF))
    return begins


def add_attribute(workspace: Workspace, name: str, type: str) -> Attribute:
    """Let customers of the workspace have an attribute. Raises ValidationError with messages by field."""
    if name in OWN_FIELDS:
        raise ValidationError({"name": f"Every customer has “{name}” already. Choose another name."})
    row = Attribute(workspace=workspace, name=name, type=type)
    row.full_clean()
    with transaction.atomic():
        row.save(force_insert=True)
        audit.record("added", row, workspace=workspace, after={"name": name, "type": type})
    return row


def _checked(email: str, fields: Mapping[str, str]) -> dict[str, Any]:
    errors: dict[str, str] = {}
    values: dict[str, Any] = {}
    try:
        values["email"] = normalise(email)
        values["unmailable"] = not is_mailable(values["email"])
    except InvalidAddress as error:
        errors["email"] = str(error)
    for field, raw in fields.items():
        try:
            values[field] = clean(field, raw)
        except ValueError as error:
            errors[field] = f"{error}."
    if errors:
        raise ValidationError(errors)
    return values


def _locked(workspace: Workspace, email: str, customer: Customer | None) -> tuple[Customer, bool]:
    """The row to change, and whether it is new; locked, so that no two doors undo each other's attributes."""
    if customer is not None:
        return Customer.objects.of(workspace).select_for_update().get(pk=customer.pk), False
    found: tuple[Customer, bool] = Customer.objects.select_for_update().get_or_create(
        workspace=workspace, email=email, defaults={"unmailable": not is_mailable(email)}
    )
    return found


def _tell(row: Customer, values: Mapping[str, Any], is_new: bool) -> None:
    """Note which fields a member changes, and no value: those are a person's, and the log is for good.

    Who signs up by a form is told by the record of consent.
    """
    if audit.actor() is None:
        return
    workspace, name = row.workspace_id, f"Customer {row.pk}"
    held = {**{name: getattr(row, name) for name in values if name != "attributes"}, **row.attributes}
    given = {**values, **values["attributes"]}
    del given["attributes"]
    touched = [each for each in held | given if held.get(each) != given.get(each)]
    if is_new:
        audit.record("added", row, workspace=workspace, name=name)
    elif touched:
        after = {"fields": ", ".join(touched)}
        audit.record("changed", row, workspace=workspace, name=name, after=after)


def _write(row: Customer, values: Mapping[str, Any]) -> Customer:
    for field, value in values.items():
        setattr(row, field, value)
    row.updated_at = timezone.now()
    row.save(update_fields=[*values, "updated_at"])
    return row


def _single_line(raw: str) -> str:
    """Text that is safe in a mail header: line breaks become spaces, other controls are refused."""
    text = raw.strip()
    if text.isprintable():
        return text
    text = " ".join(text.split())
    if _control.search(text):
        raise ValueError("contains control characters")
    return text


def _time_zone(raw: str) -> str:
    name = raw.strip()
    if name and name not in _known_time_zones():
        raise ValueError(f"{typed.shown(name)} is not a time zone such as Europe/Berlin")
    return name


def _language_tag(raw: str) -> str:
    tag = raw.strip()
    if tag and not _language.fullmatch(tag):
        raise ValueError(f"{typed.shown(tag)} is not a language such as en or de-AT")
    return tag.replace("_", "-")


CLEANERS: dict[str, Callable[[str], str]] = {
    "external_id": _single_line,
    "name": _single_line,
    "phone": _single_line,
    "time_zone": _time_zone,
    "language": _language_tag,
}
# Templates and segments speak of these as the customer's own.
OWN_FIELDS = frozenset({field.name for field in Customer._meta.get_fields()} | {"qr_code"})
MAX_LENGTHS = {field.name: field.max_length or 0 for field in Customer._meta.fields if field.name in CLEANERS}
