"""The two-step send: what a draft will do, to be tested and confirmed, then its progress."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from audience import access, audiences, mailable, segments
from audience.audiences import Audience
from audience.models import Segment
from campaigns import drafts, lifecycle, readiness, schedule
from campaigns.models import Campaign
from delivery.models import SendLog
from delivery.views import inbox
from delivery.views.forms import AudienceForm
from delivery.views.frame import find_campaign, show, staff_page
from delivery.views.progress import panel_context
from delivery.views.schedule import schedule_context

if TYPE_CHECKING:
    from django.contrib.auth.models import User

HINTS = {
    Audience.ALL_SUBSCRIBED: "All who opted in to at least one of the two",
    Audience.EMAIL_ONLY: "They did not opt in to SMS",
    Audience.SMS_ONLY: "They did not opt in to e-mail, so no mail goes to them",
    Audience.BOTH: "All who opted in to both of them",
    Audience.SEGMENT: "People who meet the criteria that you saved",
}
NO_MAIL_TWICE = "It was activated once, and nobody is mailed twice."


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def send(request: HttpRequest, pk: int) -> HttpResponse:
    """Review a draft and send it; from then on, see how far it is."""
    campaign = find_campaign(request, pk)
    if request.method == "POST":
        return _go_live(request, campaign)
    if campaign.status != Campaign.Status.DRAFT:
        return _sending(request, campaign)
    context = {
        "title": f"Send “{campaign.name}”",
        "choices": _choices(campaign),
        "segments": Segment.objects.of(campaign.workspace),
        "may_test": access.may_edit(request.user, campaign.workspace_id),
        **_reach(request, campaign),
        **_message(campaign),
        "warnings": readiness.warnings(campaign),
        **schedule_context(request, campaign),
        "inbox": inbox.lines(campaign),
    }
    return show(request, "delivery/send.html", context)


def _sending(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    context = {
        "title": campaign.name,
        "inbox": inbox.lines(campaign),
        "may_send": access.may_send(request.user, campaign.workspace_id),
        **_message(campaign),
        **panel_context(campaign, QueryDict()),
    }
    return show(request, "delivery/sending.html", context)


@staff_page
@never_cache
@require_safe
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    """The parts of the page that depend on the audience, after another choice; saves nothing."""
    campaign = find_campaign(request, pk)
    return render(request, "delivery/send_reach.html", _reach(request, campaign) | {"is_update": True})


def _go_live(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Save the audience and activate, in one transaction: what was confirmed is what is sent.

    Returns at once; a worker does the sending.
    """
    if not access.may_send(request.user, campaign.workspace_id):
        raise PermissionDenied("Only an owner or a manager may send.")
    form = AudienceForm(campaign, request.POST)
    if not form.is_valid():
        messages.error(request, "This audience cannot be used. Choose another one; nothing was sent.")
        return redirect("delivery:send", pk=campaign.pk)
    try:
        with transaction.atomic():
            drafts.change(campaign, **form.chosen())
            lifecycle.activate(campaign, cast("User", request.user))
    except (drafts.NotADraft, lifecycle.InvalidTransition):
        campaign.refresh_from_db(fields=["status"])
        messages.warning(request, f"“{campaign.name}” is {campaign.status} already. {NO_MAIL_TWICE}")
    except lifecycle.NotReady as error:
        messages.error(request, f"Nothing was sent. {error}")
    else:
        messages.success(request, f"“{campaign.name}” is activated. {_what_follows(campaign)}")
    return redirect("delivery:send", pk=campaign.pk)


def _what_follows(campaign: Campaign) -> str:
    if not settings.ENABLE_EMAIL_SCHEDULER:
        return "Sending is switched off, so nothing leaves yet."
    if schedule.is_scheduled(campaign, timezone.now()):
        return "It sends by itself when its start has come; you can pause or cancel it until then."
    return "It sends in the background; you can close this page."


def _reach(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """Whom the chosen audience reaches, and what stands in the way of sending to it.

    The choice is put onto the campaign in memory, so that everything below speaks about it.
    """
    stored = {"audience": campaign.audience, "segment": campaign.segment_id}
    form = AudienceForm(campaign, request.GET if "audience" in request.GET else stored)
    if form.is_valid():
        for column, value in form.chosen().items():
            setattr(campaign, column, value)
    context = {
        "campaign": campaign,
        "problems": readiness.problems(campaign, timezone.now()),
        "may_send": access.may_send(request.user, campaign.workspace_id),
        "confirming": "confirm" in request.GET,
        "is_scheduled": _starts_later(campaign),
        "sending_is_off": not settings.ENABLE_EMAIL_SCHEDULER,
    }
    return context | _funnel(campaign)


def _funnel(campaign: Campaign) -> dict[str, Any]:
    if campaign.audience == Audience.SEGMENT and campaign.segment is None:
        return {"funnel": None, "funnel_error": "Choose a segment to see whom it reaches."}
    try:
        matching = audiences.customers(campaign.workspace, Audience(campaign.audience), campaign.segment)
        description = _in_words(campaign.segment)
    except ValueError as error:
        return {"funnel": None, "funnel_error": str(error)}
    funnel = mailable.funnel(matching)
    refused = Counter(funnel.refused).most_common()
    return {
        "funnel": funnel,
        "refused": [(SendLog.Reason(reason).label, count) for reason, count in refused],
        "description": description,
    }


def _in_words(segment: Segment | None) -> str:
    return segments.describe(segment.workspace, segment.criteria) if segment else ""


def _choices(campaign: Campaign) -> list[dict[str, Any]]:
    counts = mailable.audience_counts(campaign.workspace)
    return [
        {"value": choice.value, "label": choice.label, "hint": HINTS[choice], "count": counts.get(choice)}
        for choice in Audience
    ]


def _message(campaign: Campaign) -> dict[str, Any]:
    """What is sent, from whom and when."""
    return {
        "campaign": campaign,
        "shares": campaign.sender_shares.select_related("sender"),
        "starts": schedule.start_on_clock(campaign),
    }


def _starts_later(campaign: Campaign) -> bool:
    start = schedule.first_due(campaign)
    return start is not None and start > timezone.now()
