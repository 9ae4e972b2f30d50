"""Steering a campaign: a page that says what will happen, and a POST that makes it so.

The campaign list posts here too, by htmx: it gets no page back but word that something was steered, reads
itself again and shows what was said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from audience import access
from audience.views.frame import user_of
from campaigns import drafts, lifecycle
from campaigns.flows import runs
from campaigns.flows.runs import Overdue
from campaigns.models import Campaign
from delivery import progress
from delivery.views.frame import find_campaign, show, staff_page

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# What the list listens for.
STEERED = "steered"


@dataclass(frozen=True)
class Words:
    """How an action is offered and explained to people."""

    button: StrOrPromise
    icon: str
    confirm: StrOrPromise
    effect: StrOrPromise
    # Whether the campaign can go on afterwards; if not, the button is red and a list does not offer it.
    final: bool = False
    asks_reason: bool = True


WORDS = {
    "pause": Words(
        _("Pause"),
        "pause",
        _("Pause the campaign"),
        _(
            "Mails that a worker has in hand are still handed over, at most {batch} for each; then nothing "
            "more leaves until somebody resumes it. Nobody is lost or mailed twice."
        ),
    ),
    "resume": Words(
        _("Resume"),
        "play_arrow",
        _("Resume the campaign"),
        _("It goes on with exactly the people who remain; nobody is mailed twice."),
        asks_reason=False,
    ),
    "complete": Words(
        _("End as completed"),
        "check",
        _("End it as completed"),
        _("The people who remain get no mail, and the campaign counts as done. It cannot be resumed."),
        final=True,
    ),
    "cancel": Words(
        _("Cancel"),
        "close",
        _("Cancel the campaign"),
        _("The people who remain get no mail. It cannot be resumed."),
        final=True,
    ),
}


def offered(campaign: Campaign) -> list[tuple[str, Words]]:
    """The actions that have a button now; a draft is activated on its review."""
    return [(name, WORDS[name]) for name in lifecycle.possible_actions(campaign.status) if name in WORDS]


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def steer(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Confirm on GET, act on POST. What is no longer possible is refused with what is."""
    campaign = find_campaign(request, pk)
    if action not in lifecycle.TRANSITIONS:
        raise Http404("There is no such action.")
    if action == "activate":
        return redirect("delivery:send", pk)
    if action not in WORDS or not access.may_send(request.user, campaign.workspace_id):
        raise PermissionDenied(gettext("Only an owner or a manager may steer campaigns."))
    if request.method == "POST":
        return _act(request, campaign, action)
    if action not in lifecycle.possible_actions(campaign.status):
        messages.error(request, str(lifecycle.InvalidTransition(campaign, action)))
        return redirect("site:campaign", pk)
    words = WORDS[action]
    context = {
        "campaign": campaign,
        "title": f"{words.confirm}?",
        "words": words,
        "effect": words.effect.format(batch=settings.SEND_BATCH_SIZE),
        "remaining": progress.of(pk).remaining,
    }
    if action == "resume" and campaign.flow_id:
        context |= {"backlog": runs.backlog(campaign), "overdue_choices": Overdue.choices}
    return show(request, "delivery/steer.html", context)


@staff_page
@require_POST
def clone(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a draft of the same; from a list one stays there."""
    campaign = find_campaign(request, pk)
    if not access.may_edit(request.user, campaign.workspace_id):
        raise PermissionDenied(gettext("Only an owner, a manager or an editor may make campaigns."))
    made = drafts.clone(campaign, user_of(request))
    messages.success(
        request,
        gettext("“{name}” is a draft with the same audience, content and senders.").format(name=made.name),
    )
    if "HX-Request" in request.headers:
        return steered()
    return redirect("delivery:compose_audience", made.pk)


def _act(request: HttpRequest, campaign: Campaign, action: str) -> HttpResponse:
    try:
        _transition(campaign, action, request)
    except lifecycle.InvalidTransition as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"“{campaign.name}” is {_done(campaign, action)}.")
    return steered() if "HX-Request" in request.headers else redirect("site:campaign", campaign.pk)


def _done(campaign: Campaign, action: str) -> str:
    """The sentence's end: a pause promises how many are still to come."""
    verb = lifecycle.TRANSITIONS[action].verb
    remaining = progress.of(campaign.pk).remaining
    return f"{verb}; {remaining:,} remain" if action == "pause" and remaining else verb


def steered() -> HttpResponse:
    """To a page that stays where it is: read yourself again."""
    return HttpResponse(status=204, headers={"HX-Trigger": STEERED})


def _transition(campaign: Campaign, action: str, request: HttpRequest) -> None:
    actor: Any = request.user
    reason = request.POST.get("reason", "").strip()[:500]
    match action:
        case "pause":
            lifecycle.pause(campaign, actor, reason)
        case "resume":
            chosen = request.POST.get("overdue", "")
            overdue = Overdue(chosen) if chosen in Overdue.values else Overdue.SEND
            lifecycle.resume(campaign, actor, overdue=overdue)
        case "complete":
            lifecycle.complete(campaign, actor, reason or "Ended by hand.")
        case "cancel":
            lifecycle.cancel(campaign, actor, reason)
