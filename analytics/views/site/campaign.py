"""One campaign's live page: how far it is, what came of it, why mails did not arrive, who did what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics import failures
from analytics.totals import Scope
from analytics.views.frame import Asked, fresh
from audience import access
from campaigns import schedule
from campaigns.models import Campaign
from delivery import follow_ups
from delivery.views import inbox
from delivery.views.frame import find_campaign, show, staff_page
from delivery.views.progress import panel_context
from delivery.views.steer import offered

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Kind = Campaign.FollowUp
# Reasons that there is room for; the report has all.
SHOWN_FAILURES = 8
SECONDS = 10
FOLLOW_UPS = {
    Kind.FAILED: (
        _("Send to those who failed"),
        _("Whose mail was surely not accepted; those in doubt are left out."),
    ),
    Kind.JOINED: (
        _("Send to those who joined since"),
        _("Who match its audience now and had no place in it."),
    ),
    Kind.NOT_OPENED: (
        _("Send to those who did not open"),
        _("Who got it and have not opened it, as far as one can tell."),
    ),
}


@staff_page
@never_cache
@require_safe
def campaign(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of a campaign that was activated; a draft is made and reviewed elsewhere."""
    found = find_campaign(request, pk)
    if found.status == Campaign.Status.DRAFT:
        return redirect("delivery:send", pk)
    may_send = access.may_send(request.user, found.workspace_id)
    may_edit = access.may_edit(request.user, found.workspace_id)
    context = {
        "title": found.name,
        "starts": schedule.start_on_clock(found),
        "inbox": None if found.flow_id else inbox.lines(found),
        "actions": offered(found) if may_send else [],
        "may_edit": may_edit,
        "follow_ups": _follow_ups(found) if may_edit else [],
        "followed_by": found.followed_by.order_by("pk"),
        "shares": found.sender_shares.select_related("sender"),
        "transitions": found.transitions.select_related("actor").order_by("-id"),
        **panel_context(found, QueryDict()),
    }
    return show(request, "site/campaign.html", context)


@staff_page
@never_cache
@require_safe
def reasons(request: HttpRequest, pk: int) -> HttpResponse:
    """Why mails did not arrive, the most frequent reasons with an example; counted every minute."""
    found, asked = find_campaign(request, pk), Asked(request)
    fresh()
    known = failures.by_reason(Scope([pk]), pk)
    lines = [{"failure": failure, "url": _people(asked, pk, failure)} for failure in known[:SHOWN_FAILURES]]
    context = {
        "campaign": found,
        "lines": lines,
        "more": max(len(known) - SHOWN_FAILURES, 0),
        "is_active": found.status == Campaign.Status.ACTIVE,
        "seconds": SECONDS,
    }
    return render(request, "site/reasons.html", context)


def _people(asked: Asked, pk: int, failure: failures.Failure) -> str:
    why: dict[str, Any] = {"code": failure.found.code}
    if failure.found.kind != "bounced":
        why["reason"] = failure.found.reason
    return asked.people_url(pk, failure.found.kind, **why)


def _follow_ups(campaign: Campaign) -> list[dict[str, StrOrPromise]]:
    return [
        {"kind": kind.value, "label": FOLLOW_UPS[kind][0], "hint": FOLLOW_UPS[kind][1]}
        for kind in follow_ups.offered(campaign)
    ]
