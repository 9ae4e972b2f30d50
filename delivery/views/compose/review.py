"""Step 4: everything about a draft on one page, and the only button that sends it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from audience import access, audiences, mailable, segments
from audience.audiences import Audience
from audience.mailable import Funnel
from audience.models import Segment
from audience.views.frame import user_of
from campaigns import lifecycle, readiness, schedule
from campaigns.flows import publishing
from campaigns.models import Campaign, Flow
from delivery import policy
from delivery.models import SendLog
from delivery.policy import Capped
from delivery.views import inbox
from delivery.views.compose.steps import frame
from delivery.views.frame import find_campaign, show, staff_page
from delivery.views.steer import steered

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NO_MAIL_TWICE = _("It was activated once, and nobody is mailed twice.")


class ChangedMeanwhile(Exception):
    """The draft was changed after you looked at it. Look again; nothing was sent."""


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, pk: int) -> HttpResponse:
    """Review a draft and send it; from then on its live page takes over.

    What costs counting (the funnel, the waves, the empty fields) the page fetches once it is there.
    """
    campaign = find_campaign(request, pk)
    if request.method == "POST":
        return _go_live(request, campaign)
    if campaign.status != Campaign.Status.DRAFT:
        return redirect("site:campaign", pk)
    context = {
        **frame(campaign, "review"),
        "may_edit": access.may_edit(request.user, campaign.workspace_id),
        "problems": readiness.problems(campaign, timezone.now()),
        "warnings": readiness.warnings(campaign),
        "shares": campaign.sender_shares.select_related("sender"),
        "starts": schedule.start_on_clock(campaign),
        "inbox": None if campaign.flow_id else inbox.lines(campaign),
        "mails": _mails(campaign.flow),
    }
    return show(request, "delivery/compose/review.html", context)


def _mails(flow: Flow | None) -> list[dict[str, Any]]:
    """What a flow's published version sends, with the names of the steps."""
    version = publishing.latest(flow) if flow else None
    if version is None:
        return []
    named = publishing.program(version).steps
    found = version.mails.select_related("content", "sender")
    return [{"step": named[mail.step].label, "mail": mail} for mail in found if mail.step in named]


@staff_page
@never_cache
@require_safe
def reach(request: HttpRequest, pk: int) -> HttpResponse:
    """Whom the draft reaches as it is stored now; for the review also whether it can be sent."""
    campaign = find_campaign(request, pk)
    return render(request, "delivery/compose/reach.html", _reach(request, campaign))


@staff_page
@never_cache
@require_safe
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """The question of a draft's button in the list of campaigns, with the number, or what is in the way."""
    campaign = find_campaign(request, pk)
    return render(request, "delivery/compose/start.html", _reach(request, campaign))


def _go_live(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Activate the draft if it is still the one that was looked at: what was confirmed is what is sent.

    Returns at once; a worker does the sending.
    """
    if not access.may_send(request.user, campaign.workspace_id):
        raise PermissionDenied(gettext("Only an owner or a manager may send."))
    try:
        _activate(campaign, user_of(request), parse_datetime(request.POST.get("as_of", "")))
    except lifecycle.InvalidTransition:
        campaign.refresh_from_db(fields=["status"])
        messages.warning(
            request,
            gettext("“{name}” is {status} already. {no_mail_twice}").format(
                name=campaign.name, status=campaign.status, no_mail_twice=NO_MAIL_TWICE
            ),
        )
    except lifecycle.NotReady as error:
        messages.error(request, gettext("Nothing was sent. {error}").format(error=error))
    except ChangedMeanwhile as error:
        messages.error(request, str(error.__doc__))
    else:
        messages.success(
            request,
            gettext("“{name}” is activated. {what_follows}").format(
                name=campaign.name, what_follows=_what_follows(campaign)
            ),
        )
    return steered() if "HX-Request" in request.headers else redirect("delivery:send", campaign.pk)


def _activate(campaign: Campaign, actor: User, as_of: datetime | None) -> None:
    """In one transaction: the row is held from the look at when it was changed last."""
    with transaction.atomic():
        held = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if held.status == Campaign.Status.DRAFT and held.updated_at != as_of:
            raise ChangedMeanwhile
        lifecycle.activate(campaign, actor)


def _what_follows(campaign: Campaign) -> str:
    if not settings.ENABLE_EMAIL_SCHEDULER:
        return gettext("Sending is switched off, so nothing leaves yet.")
    if campaign.kind == Campaign.Kind.AUTOMATION:
        return gettext("People begin one by one from now on; you can pause it at any time.")
    if schedule.is_scheduled(campaign, timezone.now()):
        return gettext("It sends by itself when its start has come; you can pause or cancel it until then.")
    return gettext("It sends in the background; you can close this page.")


def _reach(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """The funnel, and what stands in the way of sending."""
    is_draft = campaign.status == Campaign.Status.DRAFT
    context = {
        "campaign": campaign,
        "is_review": "review" in request.GET,
        "is_draft": is_draft,
        "problems": readiness.problems(campaign, timezone.now()) if is_draft else [],
        "may_send": access.may_send(request.user, campaign.workspace_id),
        "confirming": "confirm" in request.GET,
        "is_automation": campaign.kind == Campaign.Kind.AUTOMATION,
        "is_scheduled": _starts_later(campaign),
        "sending_is_off": not settings.ENABLE_EMAIL_SCHEDULER,
    }
    return context | _funnel(campaign)


def _funnel(campaign: Campaign) -> dict[str, Any]:
    if campaign.kind == Campaign.Kind.AUTOMATION:
        return {"funnel": None, "funnel_error": ""}
    if campaign.audience == Audience.SEGMENT and campaign.segment is None:
        return {"funnel": None, "funnel_error": gettext("Choose a segment to see whom it reaches.")}
    try:
        matching = audiences.customers(campaign.workspace, Audience(campaign.audience), campaign.segment)
        description = _in_words(campaign.segment)
    except ValueError as error:
        return {"funnel": None, "funnel_error": str(error)}
    funnel = mailable.funnel(matching)
    mailable_now = 0 if campaign.flow_id else funnel.will_be_sent
    capped = policy.capped(campaign.workspace, matching, mailable_now) if mailable_now else Capped()
    if capped.people and capped.is_skipped:
        funnel = Funnel(funnel.matched, funnel.refused | {SendLog.Reason.CAPPED: capped.people})
    refused = Counter(funnel.refused).most_common()
    return {
        "funnel": funnel,
        "refused": [(SendLog.Reason(reason).label, count) for reason, count in refused],
        "description": description,
        # How many have had enough mails is estimated, and with it who will get it; the rest is exact.
        "is_estimate": capped.is_estimate and capped.people > 0,
        "is_about": capped.is_estimate and capped.people > 0 and capped.is_skipped,
        "later": 0 if capped.is_skipped else capped.people,
    }


def _in_words(segment: Segment | None) -> str:
    return segments.describe(segment.workspace, segment.criteria) if segment else ""


def _starts_later(campaign: Campaign) -> bool:
    first = schedule.first_due(campaign)
    return first is not None and first > timezone.now()
