"""The beginning of a campaign: one click makes a draft, which goes on where the last campaign stood."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from audience import access
from audience.models import Workspace, workspaces_visible_to
from audience.views.frame import user_of
from campaigns import drafts
from delivery.views.frame import show, staff_page


@staff_page
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Make the draft; who may prepare in several workspaces is asked for which one first."""
    offered = [ws for ws in workspaces_visible_to(request.user) if access.may_edit(request.user, ws.pk)]
    if not offered:
        raise PermissionDenied(gettext("Only an owner, a manager or an editor may make campaigns."))
    workspace = _chosen(request, offered)
    if workspace is None:
        return show(
            request, "delivery/compose/new.html", {"title": gettext("New campaign"), "workspaces": offered}
        )
    campaign = drafts.begin(workspace, user_of(request))
    return redirect("delivery:compose_audience", campaign.pk)


def _chosen(request: HttpRequest, offered: list[Workspace]) -> Workspace | None:
    """The workspace that was clicked, or that goes without saying; a page only opened makes nothing."""
    if request.method != "POST":
        return None
    named = request.POST.get("workspace", "")
    if not named and len(offered) == 1:
        return offered[0]
    return next((workspace for workspace in offered if str(workspace.pk) == named), None)
