"""The list of customers: searched, narrowed, walked through by id, and taken along as a file."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audience import access, audit, listing
from audience.listing import Wanted, Who
from audience.models import Customer, Segment, Suppression, Workspace
from audience.segments import InvalidCriteria
from audience.views import workspace as workspaces
from audience.views.frame import csv_file, show, staff_page
from audience.views.workspace import whole

PAGE = 50
# The segments that can be chosen without leaving the list.
SHOWN_SEGMENTS = 100
PANEL = "people"
LABELS = {
    Who.ALL: _("All"),
    Who.IN: _("Opted in"),
    Who.OUT: _("Not opted in"),
    Who.SUPPRESSED: _("Suppressed"),
}


@staff_page
@never_cache
@require_safe
def customers(request: HttpRequest) -> HttpResponse:
    """A page of them, newest first; asked by the search field, the part that changes alone."""
    workspace = workspaces.chosen(request)
    segments = list(Segment.objects.of(workspace).order_by("name")[:SHOWN_SEGMENTS])
    wanted = _wanted(request, workspace)
    context = {
        "title": gettext("Customers"),
        "workspace": workspace,
        "wanted": wanted,
        "kept": {name: value for name, value in _asked(request).items() if name not in ("q", "before")},
        "workspaces": workspaces.choices(request, workspace, lambda seen: f"?workspace={seen.pk}"),
        "filters": _filters(request, wanted),
        "segments": _segments(request, segments, wanted),
        "may_edit": access.may_edit(request.user, workspace.pk),
        "may_export": access.may_send(request.user, workspace.pk),
        "export": f"export/{_query(request, before=None)}",
        **_page(request, wanted),
    }
    if request.headers.get("HX-Target") == PANEL:
        return render(request, "audience/people.html", context)
    return show(request, "audience/customers.html", context)


@staff_page
@never_cache
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """All that the list would show, as a CSV file that is written as it is read."""
    workspace = workspaces.chosen(request)
    if not access.may_send(request.user, workspace.pk):
        raise PermissionDenied(gettext("Owners and managers may export customers."))
    wanted = _wanted(request, workspace)
    asked = {name: value for name, value in _asked(request).items() if name in ("who", "segment")}
    try:
        lines = listing.lines(wanted)
    except InvalidCriteria as error:
        messages.error(request, gettext("Nothing was exported. {error}").format(error=error))
        return redirect("audience:customers")
    audit.record("exported", workspace, workspace=workspace, after={"list": "customers", **asked})
    return csv_file(f"{workspace.slug}-customers-{timezone.localdate():%Y-%m-%d}", lines)


def _wanted(request: HttpRequest, workspace: Workspace) -> Wanted:
    who = request.GET.get("who", "")
    segment = whole(request.GET.get("segment"))
    return Wanted(
        workspace,
        words=request.GET.get("q", "").strip()[:100],
        who=Who(who) if who in Who else Who.ALL,
        segment=Segment.objects.of(workspace).filter(pk=segment).first() if segment else None,
    )


def _page(request: HttpRequest, wanted: Wanted) -> dict[str, Any]:
    """The customers that are shown, each with what stands in the way of mailing them."""
    before = whole(request.GET.get("before"))
    try:
        found = listing.page(wanted, before, PAGE + 1)
    except InvalidCriteria as error:
        return {"lines": [], "problem": str(error)}
    shown = found[:PAGE]
    held = _suppressions(wanted.workspace, shown)
    return {
        "lines": [{"customer": each, "suppression": held.get(each.email)} for each in shown],
        "newest": _query(request, before=None) if before else "",
        "older": _query(request, before=shown[-1].pk) if len(found) > PAGE else "",
    }


def _suppressions(workspace: Workspace, shown: list[Customer]) -> dict[str, Suppression]:
    rows = Suppression.objects.of(workspace).filter(email__in=[each.email for each in shown])
    return {row.email: row for row in rows}


def _filters(request: HttpRequest, wanted: Wanted) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "url": _query(request, who=who.value or None, before=None),
            "is_on": who == wanted.who,
        }
        for who, label in LABELS.items()
    ]


def _segments(request: HttpRequest, segments: list[Segment], wanted: Wanted) -> list[dict[str, Any]]:
    if not segments:
        return []
    every = {"label": gettext("Any segment"), "url": _query(request, segment=None, before=None)}
    current = wanted.segment.pk if wanted.segment else None
    return [
        every | {"is_on": current is None},
        *(
            {
                "label": each.name,
                "url": _query(request, segment=each.pk, before=None),
                "is_on": each.pk == current,
            }
            for each in segments
        ),
    ]


def _asked(request: HttpRequest) -> dict[str, str]:
    """What the address asks for, of what this page knows."""
    names = ("workspace", "q", "who", "segment", "before")
    return {name: request.GET[name] for name in names if request.GET.get(name)}


def _query(request: HttpRequest, **changes: Any) -> str:
    """This page's address, asking for something else; what is None is asked for no more."""
    asked = {**_asked(request), **changes}
    return f"?{urlencode({name: value for name, value in asked.items() if value is not None})}"
