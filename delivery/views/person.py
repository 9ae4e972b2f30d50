"""A customer's rights as buttons: everything in one file, and everything forgotten."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from audience import access
from audience.models import Customer
from delivery import erasure
from delivery.views.frame import show, staff_page


@staff_page
@never_cache
@require_POST
def export(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything that is known of a customer, as a file."""
    found = _find(request, pk)
    if not access.may_send(request.user, found.workspace_id):
        raise PermissionDenied("Owners and managers may export a person.")
    headers = {"Content-Disposition": f'attachment; filename="customer-{pk}.json"'}
    known = erasure.export(found.workspace, found.email)
    return JsonResponse(known, json_dumps_params={"indent": 2, "ensure_ascii": False}, headers=headers)


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask first, then forget the customer."""
    found = _find(request, pk)
    if not access.owns(request.user, found.workspace_id):
        raise PermissionDenied("Owners may erase a person.")
    if request.method != "POST":
        context = {"title": f"Erase {found.email}?", "customer": found}
        return show(request, "delivery/erase.html", context)
    try:
        erasure.erase(found.workspace, found.email)
    except erasure.InHand as error:
        messages.error(request, f"Nothing was erased. {error}")
        return redirect("delivery:customer_mails", pk)
    messages.success(request, f"{found.email} is forgotten, and is not mailed should the address come back.")
    return redirect("admin:audience_customer_changelist")


def _find(request: HttpRequest, pk: int) -> Customer:
    customers = Customer.objects.visible_to(request.user).select_related("workspace")
    found: Customer = get_object_or_404(customers, pk=pk)
    return found
