"""What the pages of templates share: whose rows they show, and how a mail is shown on them."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext

from audience import access, zones
from campaigns import preview
from campaigns.models import Template

# A mail is somebody's HTML, and shown before anybody has read it: no scripts, no forms, no way up, and an
# origin of its own, which has no cookies and reads nothing of this site. The frame's attribute says it
# once more, for whoever opens the address outside of one.
SEALED = (
    "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline' https:; "
    "font-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
LINKS_GO_NOWHERE = '<base target="_blank">'


def find_template(request: HttpRequest, pk: int) -> Template:
    """The template, if it is in a workspace that the user may see; else 404. The page goes by its clock."""
    templates = Template.objects.visible_to(request.user).select_related("workspace")
    template: Template = get_object_or_404(templates, pk=pk)
    zones.show_in(template.workspace)
    return template


def find_own_template(request: HttpRequest, pk: int) -> Template:
    """The template, if the user may change it; else 404, or 403 for those who may only read."""
    template = find_template(request, pk)
    if not access.may_edit(request.user, template.workspace_id):
        raise PermissionDenied(gettext("An analyst may read, not change templates."))
    return template


def sealed(document: str, scheme: str = "light") -> HttpResponse:
    """A mail's HTML for a frame, in light or dark."""
    shown = preview.in_scheme(document, scheme)
    response = HttpResponse(preview.HEAD.sub(lambda head: head[0] + LINKS_GO_NOWHERE, shown, count=1))
    response["Content-Security-Policy"] = SEALED
    response["X-Content-Type-Options"] = "nosniff"
    return response
