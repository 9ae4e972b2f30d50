"""What the steps share: their order, who may take them, and how a change is saved and said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audience import access
from campaigns import drafts, schedule
from campaigns.models import Automation, Campaign
from delivery.views.forms import ScheduleForm
from delivery.views.frame import find_campaign, show, staff_page

# What the funnel listens for: it counts again.
SAVED = "saved"
STEPS = (
    ("audience", _("Audience"), "delivery:compose_audience"),
    ("content", _("Content"), "delivery:compose_content"),
    ("schedule", _("Schedule"), "delivery:compose_schedule"),
    ("review", _("Review"), "delivery:send"),
)
VIEWS = {name: view for name, _, view in STEPS}


@dataclass(frozen=True)
class Step:
    """One step: what its form asks, what saving it does, and what else its page shows."""

    name: str
    form: Callable[[Campaign, Any], Form]
    store: Callable[[Campaign, Any], None]
    context: Callable[[HttpRequest, Campaign], dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What came of a save, for the page: the form with its errors, and what the draft itself refused."""

    form: Form
    error: str = ""

    @property
    def is_saved(self) -> bool:
        return self.form.is_valid() and not self.error


def view_of(step: Step) -> Callable[..., HttpResponseBase]:
    """The view of a step. What cannot be saved is said where it was entered, and changes nothing."""

    @staff_page
    @never_cache
    @require_http_methods(["GET", "HEAD", "POST"])
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        campaign = find_campaign(request, pk)
        if request.method == "POST":
            return _save(request, campaign, step)
        if campaign.status != Campaign.Status.DRAFT:
            return redirect("site:campaign", pk)
        if not access.may_edit(request.user, campaign.workspace_id):
            return redirect("delivery:send", pk)
        return _page(request, campaign, step)

    return view


def frame(campaign: Campaign, step: str) -> dict[str, Any]:
    """Where a page stands among the steps."""
    done = _done(campaign)
    steps = [
        {
            "name": name,
            "label": label,
            "url": reverse(view, args=[campaign.pk]),
            "is_on": name == step,
            "is_done": name in done,
        }
        for name, label, view in STEPS
    ]
    return {"title": campaign.name, "campaign": campaign, "steps": steps}


def _done(campaign: Campaign) -> set[str]:
    """The steps at which nothing is missing; the start is at once unless another is chosen."""
    done = {"schedule"}
    if campaign.audience != "segment" or campaign.segment_id is not None or _starts_by_itself(campaign):
        done.add("audience")
    if (campaign.template_id or campaign.flow_id) and campaign.sender_shares.exists():
        done.add("content")
    return done


def _starts_by_itself(campaign: Campaign) -> bool:
    """Whether people start by what happens, not by who they are."""
    is_automation = campaign.kind == Campaign.Kind.AUTOMATION
    return is_automation and campaign.automation.start != Automation.Start.SEGMENT


def _save(request: HttpRequest, campaign: Campaign, step: Step) -> HttpResponse:
    if not access.may_edit(request.user, campaign.workspace_id):
        raise PermissionDenied(gettext("Only an owner, a manager or an editor may change a draft."))
    outcome = _stored(campaign, step, step.form(campaign, request.POST))
    if "HX-Request" in request.headers:
        return _said(request, campaign, outcome)
    if outcome.is_saved:
        return redirect(VIEWS.get(request.POST.get("go", ""), "delivery:send"), campaign.pk)
    return _page(request, campaign, step, outcome)


def _stored(campaign: Campaign, step: Step, form: Form) -> Outcome:
    if not form.is_valid():
        return Outcome(form)
    try:
        step.store(campaign, form)
    except (drafts.NotADraft, drafts.NotInWorkspace) as error:
        return Outcome(form, gettext("Nothing was saved. {error}").format(error=error))
    return Outcome(form)


def _said(request: HttpRequest, campaign: Campaign, outcome: Outcome) -> HttpResponse:
    """Word of a save that came by itself while somebody enters more; read again from what is stored."""
    campaign.refresh_from_db(fields=["updated_at"])
    context = {"campaign": campaign, "outcome": outcome, "starts": schedule.start_on_clock(campaign)}
    context["starts_are_shown"] = isinstance(outcome.form, ScheduleForm)
    response = render(request, "delivery/compose/saved.html", context)
    if outcome.is_saved:
        response.headers["HX-Trigger"] = SAVED
    return response


def _page(
    request: HttpRequest, campaign: Campaign, step: Step, outcome: Outcome | None = None
) -> HttpResponse:
    form = outcome.form if outcome else step.form(campaign, None)
    context = frame(campaign, step.name) | {"form": form, "outcome": outcome, "may_edit": True}
    template = f"delivery/compose/{step.name}.html"
    return show(request, template, context | step.context(request, campaign))
