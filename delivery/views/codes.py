"""QR codes of mails: their images, for everybody, and the customer behind one, for staff who scan it."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_safe

from audience.models import Customer
from audience.views.frame import limited
from campaigns.content import qr
from delivery.views.frame import staff_page

# What an address says never changes (RFC 8246), and a mail is opened more than once.
FOR_GOOD = "public, max-age=31536000, immutable"
DRAWN = {"png": (qr.png, "image/png"), "svg": (qr.svg, "image/svg+xml")}


@limited("3000/minute", "codes")
@require_safe
def image(request: HttpRequest, token: str, kind: str) -> HttpResponse:
    """The image of a code. Reads no database."""
    try:
        says = qr.what_it_says(token)
    except qr.InvalidCode as error:
        raise Http404("There is no such code.") from error
    draw, content_type = DRAWN[kind]
    return HttpResponse(draw(says), content_type, headers={"Cache-Control": FOR_GOOD})


@staff_page
@require_safe
def customer(request: HttpRequest, token: str) -> HttpResponse:
    """The page of the customer whose code was scanned, if the user may see it."""
    try:
        named = qr.whom_it_names(token)
    except qr.InvalidCode as error:
        raise Http404("There is no such code.") from error
    found = get_object_or_404(
        Customer.objects.visible_to(request.user), pk=named.customer_id, workspace_id=named.workspace_id
    )
    return redirect("delivery:person", found.pk)
