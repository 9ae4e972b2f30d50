"""A person's rights: everything that is known of them in one file, and everything forgotten at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from audience import audit, erasure, idempotency, refusals
from audience.addresses import normalise
from audience.models import ConsentRecord, Customer, CustomerEvent, Suppression, Workspace
from campaigns.models import Enrollment
from delivery import reactions
from delivery.mailbox.store import MailboxStore
from delivery.models import Event, Inbound, SendLog, Signup

# Of opens and clicks that wait in this host's file to be taken in.
SPOOL_SECONDS = 10.0


class InHand(Exception):
    """A mail to this person is being handed over just now. Try again in a minute."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def export(workspace: Workspace, email: str) -> dict[str, Any]:
    """Everything that a workspace knows of an address, as plain values. Raises InvalidAddress."""
    address = normalise(email)
    customer = Customer.objects.of(workspace).filter(email=address).first()
    rows = _rows(workspace, address, customer)
    events = Event.objects.filter(workspace=workspace, sendlog__in=rows.values("pk"))
    mine = {"customer_id": customer.pk if customer else 0}
    _audit("exported", workspace, customer)
    return {
        "address": address,
        "workspace": workspace.name,
        "customer": _plain(customer) if customer else None,
        "consents": [*map(_plain, ConsentRecord.objects.of(workspace).filter(email=address))],
        "suppressions": [*map(_plain, Suppression.objects.of(workspace).filter(email=address))],
        "mails": [_plain(row, ("worker", "fence", "lease_until")) for row in rows.order_by("id")],
        "events": [_plain(event, ("key",)) for event in events.order_by("id")],
        "customer_events": [*map(_plain, CustomerEvent.objects.filter(**mine).order_by("id"))],
        "flows": [_plain(place, ("fence",)) for place in Enrollment.objects.filter(**mine).order_by("id")],
        "api_answers": [
            {"at": row.created_at, "body": row.body} for row in idempotency.mentioning(workspace, address)
        ],
        "sign_ups": [*map(_plain, Signup.objects.of(workspace).filter(email=address).order_by("id"))],
        "provider_reports": [
            {"received_at": report.received_at, "body": bytes(report.body).decode("utf-8", "replace")}
            for report in _reports(workspace, address)
        ],
    }


def erase(workspace: Workspace, email: str) -> dict[str, int]:
    """Forget a person in every table, and keep by a hash that they are not to be mailed.

    Counts stay right: the ledger's rows stay, without address, words or ids of providers; so do events,
    without what tells of a device. Mails that wait are refused at the gate, since the customer is gone. One
    transaction, but for this host's file of clicks, which goes first, and the local mailbox. May be
    repeated. Raises InvalidAddress and InHand.
    """
    address = normalise(email)
    reactions.take_in(SPOOL_SECONDS)
    with transaction.atomic():
        # As with a suppression: no gate that has looked already commits after us.
        refusals.announce(workspace.pk)
        customer = Customer.objects.of(workspace).select_for_update().filter(email=address).first()
        gone = _erase_mails(workspace, address, customer)
        gone |= _erase_elsewhere(customer) if customer else {}
        gone["sign-ups"] = _erase_signups(workspace, address)
        gone["provider reports"] = _erase_reports(workspace, address)
        gone["answers of the API"] = idempotency.forget_answers(workspace)
        gone |= erasure.forget(workspace, address, customer, customer.pk if customer else 0)
        _audit("erased", workspace, customer, after=gone)
    with MailboxStore(settings.MAILBOX_PATH) as store:
        gone["mails in the local mailbox"] = store.forget_recipient(address)
    return gone


def _erase_mails(workspace: Workspace, address: str, customer: Customer | None) -> dict[str, int]:
    rows = _rows(workspace, address, customer)
    if rows.filter(status=SendLog.Status.SENDING).exists():
        raise InHand
    ids = list(rows.values_list("pk", flat=True))
    mine = SendLog.objects.filter(pk__in=ids)
    # A number of our own, so that no two people look like one.
    number = customer.pk if customer else (ids[0] if ids else 0)
    email = erasure.stand_in(number)
    mails = mine.update(email=email, error="", history=[], provider_id="")
    mine_too = Event.objects.filter(workspace=workspace, sendlog_id__in=ids)
    return {"mails": mails, "events": mine_too.update(detail="", user_agent="", ip=None)}


def _erase_elsewhere(customer: Customer) -> dict[str, int]:
    """What they did elsewhere, and their ways through flows; advancing finds that the customer is gone."""
    events = CustomerEvent.objects.filter(customer=customer)
    places = Enrollment.objects.filter(customer=customer)
    # A key may be made of an address.
    key = Concat(Value("erased-"), Cast("pk", TextField()))
    return {
        "customer events": events.update(properties={}, key=key),
        "ways through flows": places.update(context={}, path=[], fence=F("fence") + 1),
    }


def _erase_signups(workspace: Workspace, address: str) -> int:
    """Requests to be written to, confirmed or not; their links are too old from then on."""
    asked = Signup.objects.of(workspace).filter(email=address)
    if asked.filter(mail=Signup.Mail.SENDING).exists():
        raise InHand
    return int(asked.delete()[0])


def _rows(workspace: Workspace, address: str, customer: Customer | None) -> QuerySet[SendLog]:
    mine = Q(email=address) | (Q(customer_id=customer.pk) if customer else Q(pk__in=[]))
    return SendLog.objects.of(workspace).filter(mine)


def _erase_reports(workspace: Workspace, address: str) -> int:
    """Reports that were acted on and name the address; those that wait are pruned in their time."""
    return int(_reports(workspace, address).filter(processed_at__isnull=False).delete()[0])


def _reports(workspace: Workspace, address: str) -> QuerySet[Inbound]:
    """Reports in which the address stands, plainly or as addresses write it, in lower case or as it is."""
    position = {"postgresql": "position(%s::bytea in body) > 0", "sqlite": "instr(body, %s) > 0"}
    forms = sorted(
        {each for form in (address, address.replace("@", "%40"), quote(address)) for each in _cases(form)}
    )
    where = " OR ".join([position[connection.vendor]] * len(forms))
    return Inbound.objects.filter(workspace=workspace).extra(  # noqa: S610 - the words are ours
        where=[f"({where})"], params=[form.encode() for form in forms]
    )


def _cases(form: str) -> tuple[str, ...]:
    local, at, domain = form.rpartition("@")
    return (form, form.capitalize(), f"{local}{at}{domain.capitalize()}", form.upper())


def _plain(row: Any, without: Iterable[str] = ()) -> dict[str, Any]:
    values = {field.name: field.value_from_object(row) for field in row._meta.concrete_fields}
    return {name: value for name, value in values.items() if name not in without}


def _audit(action: str, workspace: Workspace, customer: Customer | None, **values: Any) -> None:
    """Said without the address, by the number that the customer had."""
    name = f"Customer {customer.pk}" if customer else "A person without a customer"
    audit.record(action, customer, workspace=workspace, name=name, **values)
