"""“Why did or didn't this person get it?”, asked from a campaign and from a customer."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from audience import access, zones
from audience.models import Customer
from delivery import why
from delivery.models import SendLog
from delivery.views.frame import find_campaign, show, staff_page

SHOWN_MAILS = 50


@staff_page
@require_safe
def campaign(request: HttpRequest, pk: int) -> HttpResponse:
    """Look an address up in a campaign."""
    found = find_campaign(request, pk)
    email = request.GET.get("email", "").strip()[:300]
    answer = why.why(found, email) if email else None
    context = {
        "title": gettext("Why did or didn't they get it?"),
        "subtitle": found.name,
        "campaign": found,
        "email": email,
        "answer": answer,
        "customer": _customer(found.workspace_id, answer.row) if answer and answer.row else None,
    }
    return show(request, "delivery/why.html", context)


@staff_page
@require_safe
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    """One person's ledger rows, newest first, each with its sentence.

    Also those under their address from before they were deleted and imported again.
    """
    customers = Customer.objects.visible_to(request.user).select_related("workspace")
    found: Customer = get_object_or_404(customers, pk=pk)
    zones.show_in(found.workspace)
    mine = Q(customer_id=found.pk) | Q(email=found.email)
    rows = SendLog.objects.of(found.workspace).filter(mine).select_related("campaign").order_by("-id")
    newest = list(rows[: SHOWN_MAILS + 1])
    context = {
        "title": gettext("Mails to this person"),
        "subtitle": found.email,
        "customer": found,
        "may_export": access.may_send(request.user, found.workspace_id),
        "may_erase": access.owns(request.user, found.workspace_id),
        "rows": [(row, why.sentence(row)) for row in newest[:SHOWN_MAILS]],
        "shown": SHOWN_MAILS,
        "more": len(newest) > SHOWN_MAILS,
        "unknown": rows.filter(status=SendLog.Status.UNKNOWN).count(),
        "shown_unknown": [row for row in newest if row.status == SendLog.Status.UNKNOWN],
    }
    return show(request, "delivery/customer_mails.html", context)


def _customer(workspace_id: int, row: SendLog) -> Customer | None:
    return Customer.objects.filter(pk=row.customer_id, workspace_id=workspace_id).first()
