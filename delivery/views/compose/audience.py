"""Step 1: what the campaign is called, and whom it is for."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audience import mailable
from audience.audiences import Audience
from audience.models import Segment
from campaigns import drafts
from campaigns.models import Campaign
from delivery.views.compose.steps import Step, view_of
from delivery.views.forms import AudienceForm
from delivery.views.frame import find_campaign, staff_page

HINTS = {
    Audience.ALL_SUBSCRIBED: _("All who opted in to at least one of the two"),
    Audience.EMAIL_ONLY: _("They did not opt in to SMS"),
    Audience.SMS_ONLY: _("They did not opt in to e-mail, so no mail goes to them"),
    Audience.BOTH: _("All who opted in to both of them"),
    Audience.SEGMENT: _("People who meet the criteria that you saved"),
}


@staff_page
@never_cache
@require_safe
def counts(request: HttpRequest, pk: int) -> HttpResponse:
    """How many each choice of opt-ins means; the page fetches it once it is there, since it counts all."""
    campaign = find_campaign(request, pk)
    counted = mailable.audience_counts(campaign.workspace)
    return render(request, "delivery/compose/audience_counts.html", {"counts": counted.items()})


def _form(campaign: Campaign, data: Any) -> AudienceForm:
    stored = {"name": campaign.name, "audience": campaign.audience, "segment": campaign.segment_id}
    return AudienceForm(campaign, stored if data is None else data)


def _store(campaign: Campaign, form: AudienceForm) -> None:
    drafts.change(campaign, **form.chosen())


def _context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    return {
        "choices": [
            {"value": choice.value, "label": choice.label, "hint": HINTS[choice]} for choice in Audience
        ],
        "segments": Segment.objects.of(campaign.workspace),
    }


audience = view_of(Step("audience", _form, _store, _context))
