"""Step 3: when it goes out. A suggested start is saved by one click, which answers with the card."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from audience import access
from campaigns import drafts, schedule
from campaigns.models import Campaign
from delivery.views.compose.steps import SAVED, Step, view_of
from delivery.views.forms import ScheduleForm
from delivery.views.frame import find_campaign, staff_page


@staff_page
@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the start of a draft, and show the schedule as it is stored then."""
    campaign = find_campaign(request, pk)
    if not access.may_edit(request.user, campaign.workspace_id):
        raise PermissionDenied(gettext("Only an owner, a manager or an editor may change the start."))
    outcome = _save(campaign, ScheduleForm(request.POST))
    context = schedule_context(request, campaign) | outcome
    response = render(request, "delivery/compose/schedule_card.html", context)
    if "saved" in outcome:
        response.headers["HX-Trigger"] = SAVED
    return response


def _save(campaign: Campaign, form: ScheduleForm) -> dict[str, Any]:
    """Save what was entered; what came of it, for the page."""
    if not form.is_valid():
        return {"errors": form.errors, "entered": form.data}
    try:
        _store(campaign, form)
    except drafts.NotADraft as error:
        return {"errors": {"start_date": [gettext("Nothing was saved. {error}").format(error=error)]}}
    return {"saved": True}


def _store(campaign: Campaign, form: ScheduleForm) -> None:
    drafts.change(campaign, **form.cleaned_data)


def _form(campaign: Campaign, data: Any) -> ScheduleForm:
    stored = {name: getattr(campaign, name) for name in ("start_date", "start_time", "clock")}
    return ScheduleForm(stored if data is None else data)


def schedule_context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """The start as it is stored."""
    zone = campaign.workspace.time_zone
    return {
        "campaign": campaign,
        "starts": schedule.start_on_clock(campaign),
        "entered": {
            "start_date": campaign.start_date.isoformat() if campaign.start_date else "",
            "start_time": campaign.start_time.strftime("%H:%M") if campaign.start_time else "",
            "clock": campaign.clock,
        },
        "clocks": [
            (Campaign.Clock.WORKSPACE, gettext("The clock in {zone}").format(zone=zone)),
            (Campaign.Clock.CUSTOMER, gettext("Each customer's own clock")),
            (Campaign.Clock.BEST, gettext("Each customer's own best hour, within a day of the start")),
        ],
    }


step = view_of(Step("schedule", _form, _store, schedule_context))
