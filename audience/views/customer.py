"""What people do to one customer: fields, consent, suppression. The customer's page is delivery's."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from audience import access, consent, customers, suppression, zones
from audience.models import Attribute, ConsentRecord, Customer, Suppression
from audience.views.frame import show, staff_page, user_of

PREFIX = "attributes."
LABELS = {
    "email": _("E-mail address"),
    "name": _("Name"),
    "external_id": _("External id"),
    "phone": _("Phone"),
    "time_zone": _("Time zone"),
    "language": _("Language"),
}
INPUTS = {Attribute.Type.NUMBER: "number", Attribute.Type.DATE: "date"}


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The fields as a form: in its place on the customer's page, or as a page of its own."""
    customer = find(request, pk)
    attributes = list(Attribute.objects.of(customer.workspace).order_by("name"))
    errors: dict[str, str] = {}
    if request.method == "POST":
        errors = _save(customer, attributes, request.POST)
        if not errors:
            messages.success(request, gettext("Saved."))
            return redirect("delivery:person", pk)
    context = {
        "title": customer.email,
        "customer": customer,
        "fields": _fields(customer, attributes, request.POST, errors),
        "tracked": "tracked" in request.POST if request.POST else customer.tracked,
        "errors": errors,
        "zones": sorted(available_timezones()),
    }
    if "HX-Request" in request.headers:
        return render(request, "audience/edit_form.html", context)
    response = show(request, "audience/edit.html", context)
    response.status_code = 422 if errors else 200
    return response


@staff_page
@require_POST
def change_consent(request: HttpRequest, pk: int, channel: str) -> HttpResponse:
    """Opt the customer in or out of a channel, with what staff knows of it as evidence."""
    customer = find(request, pk)
    if channel not in ConsentRecord.Channel:
        raise PermissionDenied(gettext("There is no such channel."))
    wanted = ConsentRecord.Channel(channel)
    granted = request.POST.get("granted") == "yes"
    note = request.POST.get("note", "").strip()[: consent.MAX_EVIDENCE]
    staff: dict[str, Any] = {"source": ConsentRecord.Source.STAFF, "actor": user_of(request)}
    try:
        consent.change(customer, {wanted: granted}, evidence=note, **staff)
    except ValidationError as error:
        messages.error(
            request, gettext("Nothing was changed. {problem}").format(problem=" ".join(error.messages))
        )
    else:
        words = (
            gettext("Opted in to {channel}, and recorded.")
            if granted
            else gettext("Opted out of {channel}, and recorded.")
        )
        messages.success(request, words.format(channel=wanted.label))
    return redirect("delivery:person", pk)


@staff_page
@require_POST
def suppress(request: HttpRequest, pk: int) -> HttpResponse:
    """No mail goes to this address any more."""
    customer = find(request, pk)
    note = request.POST.get("note", "").strip()[: suppression.MAX_NOTE]
    reason = Suppression.Reason.MANUAL
    suppression.suppress(customer.workspace, customer.email, reason, note=note, actor=user_of(request))
    messages.success(request, gettext("{email} gets no mail any more.").format(email=customer.email))
    return redirect("delivery:person", pk)


@staff_page
@require_POST
def lift(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the address off the list, if it is on it for the reason that was shown."""
    customer = find(request, pk)
    held = Suppression.objects.of(customer.workspace).filter(email=customer.email).first()
    if held is not None:
        held.reason = request.POST.get("reason", "")
    if held is not None and suppression.lift(held, user_of(request)):
        words = gettext("{email} is off the list, and is mailed again only if opted in to e-mail.")
        messages.success(request, words.format(email=customer.email))
    else:
        messages.error(request, gettext("The suppression has changed in the meantime. Look at it again."))
    return redirect("delivery:person", pk)


def find(request: HttpRequest, pk: int) -> Customer:
    """The customer, if the user may change it; else 404, or 403 for those who may only read."""
    rows = Customer.objects.visible_to(request.user).select_related("workspace")
    found: Customer = get_object_or_404(rows, pk=pk)
    if not access.may_edit(request.user, found.workspace_id):
        raise PermissionDenied(gettext("An analyst may read, not change customers."))
    zones.show_in(found.workspace)
    return found


def _save(customer: Customer, attributes: list[Attribute], given: QueryDict) -> dict[str, str]:
    """Write what was entered; what is wrong, by field, and then nothing is written."""
    fields = {name: str(given[name]) for name in LABELS if name in given}
    values = {row.name: str(given[PREFIX + row.name]) for row in attributes if PREFIX + row.name in given}
    held = customer.attributes
    try:
        customers.save_customer(
            customer.workspace,
            email=fields.pop("email", customer.email),
            customer=customer,
            attributes={name: text for name, text in values.items() if text != _text(held.get(name))},
            tracked="tracked" in given,
            **fields,
        )
    except ValidationError as error:
        return _by_field(error)
    return {}


def _by_field(error: ValidationError) -> dict[str, str]:
    """Messages by the name of the field; those about attributes begin with the attribute's."""
    found = {}
    for field, said in error.message_dict.items():
        for message in said:
            name, _, what = message.partition(": ") if field == "attributes" else ("", "", "")
            found[PREFIX + name if name else field] = what or message
    return found


def _fields(
    customer: Customer, attributes: list[Attribute], given: QueryDict, errors: dict[str, str]
) -> list[dict[str, Any]]:
    """Each field of the form: what it is called, what it holds and what is wrong with it."""
    plain = [(name, label, getattr(customer, name), "text") for name, label in LABELS.items()]
    own = [
        (
            PREFIX + row.name,
            row.name.replace("_", " ").capitalize(),
            _text(customer.attributes.get(row.name)),
            "boolean" if row.type == Attribute.Type.BOOLEAN else INPUTS.get(Attribute.Type(row.type), "text"),
        )
        for row in attributes
    ]
    return [
        {
            "name": name,
            "id": name.replace(".", "-"),
            "label": label,
            "value": given.get(name, value),
            "input": kind,
            "error": errors.get(name, ""),
        }
        for name, label, value, kind in [*plain, *own]
    ]


def _text(value: Any) -> str:
    """A stored value as its form field has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
