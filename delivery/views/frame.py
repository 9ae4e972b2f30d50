"""What all pages of delivery share: who may open them, whose rows they show, the frame around them."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from audience import zones
from audience.views.frame import show, staff_page
from campaigns.models import Campaign

__all__ = ["find_campaign", "show", "staff_page"]


def find_campaign(request: HttpRequest, pk: int) -> Campaign:
    """The campaign, if it is in a workspace that the user may see; else 404. The page goes by its clock."""
    campaigns = Campaign.objects.visible_to(request.user)
    related = ("workspace", "segment__workspace", "template", "flow", "content", "automation")
    campaign: Campaign = get_object_or_404(campaigns.select_related(*related), pk=pk)
    zones.show_in(campaign.workspace)
    return campaign
