"""Pictures: chosen or uploaded in the editor, and served to everybody who has a mail with one."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from audience import access
from audience.views.frame import limited, staff_page, user_of
from campaigns import images
from campaigns.models import Image, Template
from campaigns.views.frame import find_own_template, find_template

SHOWN = 24
# Mails are rarely wider.
USUAL_WIDTH = 600
HEADERS = {
    # The bytes behind an address never change (RFC 8246).
    "Cache-Control": "public, max-age=31536000, immutable",
    # Whatever somebody has put into a file, no browser takes it for a page.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    # Mail programs in a browser load it from another site.
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@limited("3000/minute", "images")
@require_safe
def serve(request: HttpRequest, file_name: str) -> HttpResponse:
    """A picture, for everybody who has its address."""
    found = images.find(file_name)
    if found is None:
        raise Http404("There is no such picture.")
    return HttpResponse(bytes(found.data), images.CONTENT_TYPES[found.kind], headers=HEADERS)


@staff_page
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    """The pictures of the workspace; a POST keeps another, and asks how it is to be shown."""
    if request.method != "POST":
        return _panel(request, find_template(request, pk), number=request.GET.get("image", ""))
    template = find_own_template(request, pk)
    uploaded = request.FILES.get("file")
    if uploaded is None:
        return _panel(request, template, error=gettext("Choose a file first."))
    if (uploaded.size or 0) > images.SIZE_LIMIT:
        return _panel(request, template, error=images.too_large(uploaded.name or ""))
    try:
        kept = images.keep(template.workspace, uploaded.name or "", uploaded.read(), user_of(request))
    except images.Unfit as error:
        return _panel(request, template, error=str(error))
    return _panel(request, template, number=str(kept.pk))


def _panel(request: HttpRequest, template: Template, *, number: str = "", error: str = "") -> HttpResponse:
    kept = Image.objects.of(template.workspace).defer("data")
    chosen = kept.filter(pk=number).first() if number.isdecimal() else None
    context: dict[str, Any] = {
        "template": template,
        "may_edit": access.may_edit(request.user, template.workspace_id),
        "error": error,
        "kinds": ",".join(images.CONTENT_TYPES.values()),
        "limit": images.SIZE_LIMIT,
    }
    if chosen is not None:
        context |= {
            "chosen": chosen,
            "address": images.address(chosen),
            "width": min(chosen.width, USUAL_WIDTH),
            "says": images.words(chosen.name),
            "is_heavy": chosen.size > images.HEAVY,
        }
    else:
        context["kept"] = kept[:SHOWN]
    return render(request, "campaigns/images.html", context)
