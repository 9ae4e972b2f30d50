"""The buttons of an ended campaign that make a draft for those whom it did not reach."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from audience import access
from audience.views.frame import user_of
from campaigns.models import Campaign
from delivery import follow_ups
from delivery.views.frame import find_campaign, staff_page


@staff_page
@require_POST
def follow_up(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Make the draft, or go to the one that is unfinished."""
    campaign = find_campaign(request, pk)
    if not access.may_edit(request.user, campaign.workspace_id):
        raise PermissionDenied(gettext("Only an owner, a manager or an editor may make campaigns."))
    if kind not in Campaign.FollowUp:
        raise Http404("There is no such follow-up.")
    try:
        found = follow_ups.make(campaign, Campaign.FollowUp(kind), user_of(request))
    except follow_ups.NotPossible as error:
        messages.error(request, str(error))
        return redirect("site:campaign", pk)
    if not found.is_new:
        messages.info(request, gettext("There is one already; finish it before you make another."))
    if found.campaign.status == Campaign.Status.DRAFT:
        return redirect("delivery:compose_audience", found.campaign.pk)
    return redirect("site:campaign", found.campaign.pk)
