"""The list of campaigns, which watches itself: where each is, how fast, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics.views.frame import Asked, fresh, whole, workspace_choices
from analytics.views.site import lines
from audience import access
from campaigns.models import Campaign
from delivery.views.frame import show, staff_page

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

PAGE = 25
# The list looks again sooner while something moves in it.
SECONDS, SECONDS_AT_REST = 3, 20
Status = Campaign.Status
# What can be chosen, in words, and the statuses that it means.
FILTERS: dict[str, tuple[StrOrPromise, tuple[Status, ...]]] = {
    "": (_("All"), tuple(Status)),
    "drafts": (_("Drafts"), (Status.DRAFT,)),
    "running": (_("Running"), (Status.ACTIVE,)),
    "paused": (_("Paused"), (Status.PAUSED,)),
    "ended": (_("Ended"), (Status.COMPLETED, Status.FAILED, Status.CANCELLED)),
}
PANEL = "monitor"


@staff_page
@never_cache
@require_safe
def campaigns(request: HttpRequest) -> HttpResponseBase:
    """The list; asked by itself, only the part that changes. Reads sums, never the ledger."""
    fresh()
    asked = Asked(request)
    seen = _seen(asked)
    chosen = request.GET.get("status", "")
    chosen = chosen if chosen in FILTERS else ""
    shown, older = _page(seen.filter(status__in=FILTERS[chosen][1]), request)
    measured = lines.paces(shown, request.GET)
    found = lines.lines(shown, measured)
    context = {
        "title": gettext("Campaigns"),
        "lines": found,
        "filters": _filters(seen, asked, chosen),
        "q": request.GET.get("q", ""),
        "kept": {"status": chosen} if chosen else {},
        "is_filtered": bool(chosen or request.GET.get("q")),
        "workspaces": workspace_choices(asked),
        "newest": asked.here(before=None, pace=None) if request.GET.get("before") else "",
        "older": asked.here(before=older, pace=None) if older else "",
        "again": _again(request, measured),
        "seconds": SECONDS if any(line.is_moving for line in found) else SECONDS_AT_REST,
        **_rights(request, shown),
    }
    if request.headers.get("HX-Target") == PANEL:
        return render(request, "site/monitor.html", context | {"is_panel": True})
    return show(request, "site/campaigns.html", context)


def _seen(asked: Asked) -> QuerySet[Campaign]:
    """The campaigns of the workspaces asked for whose name has what is searched."""
    seen = Campaign.objects.visible_to(asked.request.user)
    chosen = whole(asked.request.GET.get("workspace"))
    seen = seen if chosen is None else seen.filter(workspace=chosen)
    words = asked.request.GET.get("q", "").strip()
    return seen.filter(name__icontains=words) if words else seen


def _page(campaigns: QuerySet[Campaign], request: HttpRequest) -> tuple[list[Campaign], int | None]:
    """One page, newest first, and where the next begins."""
    before = whole(request.GET.get("before"))
    rows = campaigns if before is None else campaigns.filter(pk__lt=before)
    related = ("workspace", "segment", "template", "automation")
    found = list(rows.select_related(*related).order_by("-pk")[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None


def _filters(seen: QuerySet[Campaign], asked: Asked, chosen: str) -> list[dict[str, Any]]:
    """The choices of a status, each with how many there are: one query."""
    counted = dict(seen.order_by().values_list("status").annotate(n=Count("pk")))
    return [
        {
            "label": label,
            "count": sum(counted.get(status, 0) for status in statuses),
            "url": asked.here(status=value or None, before=None, pace=None),
            "is_on": value == chosen,
        }
        for value, (label, statuses) in FILTERS.items()
    ]


def _again(request: HttpRequest, measured: dict[int, Any]) -> str:
    """Where the panel looks again: the same page, with the paces as they are known now."""
    asked = [(name, str(value)) for name, value in request.GET.items() if name != "pace"]
    return f"{reverse('site:campaigns')}?{urlencode(asked + lines.to_carry(measured))}"


def _rights(request: HttpRequest, shown: list[Campaign]) -> dict[str, Any]:
    """In whose workspaces the user may send, and prepare."""
    ids = {campaign.workspace_id for campaign in shown}
    return {
        "sendable": {pk for pk in ids if access.may_send(request.user, pk)},
        "editable": {pk for pk in ids if access.may_edit(request.user, pk)},
        "may_edit": access.may_edit(request.user),
        "several": access.sole_workspace(request.user) is None,
    }
