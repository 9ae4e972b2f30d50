"""Steering a campaign: a page that says what will happen, and a POST that makes it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from audience import access
from campaigns import lifecycle
from campaigns.models import Campaign

if TYPE_CHECKING:
    from campaigns.admin.campaigns import CampaignAdmin


@dataclass(frozen=True)
class Words:
    """How an action is offered and explained to people."""

    button: str
    icon: str
    confirm: str
    effect: str
    # Whether the campaign can go on afterwards; if not, the button is red.
    final: bool = False
    asks_reason: bool = True


WORDS = {
    "pause": Words(
        "Pause",
        "pause",
        "Pause the campaign",
        "Mails that a worker has in hand are still handed over, at most {batch} for each; then nothing more "
        "leaves until somebody resumes it. Nobody is lost or mailed twice.",
    ),
    "resume": Words(
        "Resume",
        "play_arrow",
        "Resume the campaign",
        "It goes on with exactly the people who remain; nobody is mailed twice.",
        asks_reason=False,
    ),
    "complete": Words(
        "End as completed",
        "check",
        "End it as completed",
        "The people who remain get no mail, and the campaign counts as done. It cannot be resumed.",
        final=True,
    ),
    "cancel": Words(
        "Cancel",
        "close",
        "Cancel the campaign",
        "The people who remain get no mail. It cannot be resumed.",
        final=True,
    ),
}


def offered(campaign: Campaign) -> list[tuple[str, Words]]:
    """The actions that have a button now; a draft is activated on the send page."""
    return [(name, WORDS[name]) for name in lifecycle.possible_actions(campaign.status) if name in WORDS]


@require_http_methods(["GET", "HEAD", "POST"])
def _view(request: HttpRequest, admin: CampaignAdmin, pk: int, action: str) -> HttpResponse:
    campaign = admin.get_object(request, str(pk))
    if campaign is None or action not in lifecycle.TRANSITIONS:
        raise Http404("There is no such campaign, or no such action.")
    if action == "activate":
        return redirect("delivery:send", pk)
    if action not in WORDS or not access.may_send(request.user, campaign.workspace_id):
        raise PermissionDenied("Only an owner or a manager may steer campaigns.")
    if request.method == "POST":
        return _act(request, campaign, action)
    if action not in lifecycle.possible_actions(campaign.status):
        messages.error(request, str(lifecycle.InvalidTransition(campaign, action)))
        return redirect("admin:campaigns_campaign_change", pk)
    words = WORDS[action]
    context = admin.admin_site.each_context(request) | {
        "opts": admin.opts,
        "campaign": campaign,
        "title": f"{words.confirm}?",
        "words": words,
        "effect": words.effect.format(batch=settings.SEND_BATCH_SIZE),
    }
    return TemplateResponse(request, "admin/campaigns/campaign/transition.html", context)


def view(admin: CampaignAdmin, request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Confirm on GET, act on POST. What is no longer possible is refused with what is."""
    response: HttpResponse = _view(request, admin, pk, action)
    return response


def _act(request: HttpRequest, campaign: Campaign, action: str) -> HttpResponse:
    try:
        _transition(campaign, action, request.user, request.POST.get("reason", "").strip()[:500])
    except lifecycle.InvalidTransition as error:
        messages.error(request, str(error))
    else:
        verb = lifecycle.TRANSITIONS[action].verb
        messages.success(request, f"“{campaign.name}” is {verb}.")
    return redirect("admin:campaigns_campaign_change", campaign.pk)


def _transition(campaign: Campaign, action: str, actor: Any, reason: str) -> None:
    match action:
        case "pause":
            lifecycle.pause(campaign, actor, reason)
        case "resume":
            lifecycle.resume(campaign, actor)
        case "complete":
            lifecycle.complete(campaign, actor, reason or "Ended by hand.")
        case "cancel":
            lifecycle.cancel(campaign, actor, reason)
