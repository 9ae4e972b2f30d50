"""The home page: what runs, what is to come, what needs somebody, how the last campaigns did.

Reads sums only, so that it costs the same whatever the size. On a new site it greets with the first steps.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics import audience_report
from analytics.tables import Chart, Series
from analytics.views.frame import fresh
from analytics.views.site import lines
from analytics.views.site.lines import Line
from audience import access
from audience.models import Customer, workspaces_visible_to
from campaigns.models import Campaign, Sender, Template
from delivery.models import Progress
from delivery.views.frame import staff_page

Status = Campaign.Status
SHOWN, SHOWN_DECISIONS = 6, 8
# How long a failed campaign is a matter for the home page.
RECENT = timedelta(days=7)
GROWTH_DAYS = 30
SECONDS, SECONDS_AT_REST = 3, 30
ENDED = (Status.COMPLETED, Status.CANCELLED, Status.FAILED)


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows to its context. Unfold calls it (UNFOLD["DASHBOARD_CALLBACK"])."""
    seen = Campaign.objects.visible_to(request.user)
    begun = seen.exclude(status=Status.DRAFT).exists()
    shown = {
        "title": gettext("Home"),
        "has_workspace": access.may_view(request.user),
        "may_edit": access.may_edit(request.user),
        "steps": [] if begun else _first_steps(request),
    }
    if begun:
        fresh()
        shown |= _now(request, seen) | {"latest": _latest(seen), **_growth(request)}
    return context | shown


@staff_page
@never_cache
@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """The part of the page that moves: what runs, what is to come, what needs somebody."""
    seen = Campaign.objects.visible_to(request.user)
    return render(request, "site/now.html", _now(request, seen))


def _now(request: HttpRequest, seen: QuerySet[Campaign]) -> dict[str, Any]:
    active = list(
        seen.filter(status=Status.ACTIVE).select_related("workspace", "segment").order_by("-pk")[: 2 * SHOWN]
    )
    measured = lines.paces(active, request.GET)
    found = lines.lines(active, measured)
    running = [line for line in found if line.is_moving][:SHOWN]
    return {
        "running": [{"line": line, "end": _expected_end(line)} for line in running],
        "scheduled": sorted((line for line in found if line.start), key=lambda line: line.start)[:SHOWN],  # type: ignore[arg-type,return-value]
        "decisions": _decisions(request, seen),
        "again": f"{reverse('site:now')}?{urlencode(lines.to_carry(measured))}",
        "seconds": SECONDS if running else SECONDS_AT_REST,
        "several": access.sole_workspace(request.user) is None,
    }


def _expected_end(line: Line) -> Any:
    """At the pace of the last seconds; None while nobody can tell."""
    if not line.time_left:
        return None
    return timezone.now() + timedelta(seconds=line.progress.remaining / line.per_second)


def _decisions(request: HttpRequest, seen: QuerySet[Campaign]) -> list[dict[str, str]]:
    """What waits for a person: stopped senders first, then unknown mails, failed and paused campaigns."""
    stopped = Q(state__in=[Sender.State.STOPPED, Sender.State.RECONNECT])
    senders = Sender.objects.visible_to(request.user).filter(stopped)[:SHOWN_DECISIONS]
    unknown = Progress.objects.filter(unknown__gt=0, campaign__in=seen).select_related("campaign")
    failed = seen.filter(status=Status.FAILED, finished_at__gte=timezone.now() - RECENT)
    paused = list(seen.filter(status=Status.PAUSED).order_by("-pk")[:SHOWN_DECISIONS])
    sums = Progress.objects.in_bulk([campaign.pk for campaign in paused])
    found = [
        *(
            _decision("sender", s, s.last_error or s.get_state_display(), "admin:campaigns_sender_change")
            for s in senders
        ),
        *(
            _decision(
                "unknown",
                p.campaign,
                gettext("{unknown:,} mails of unknown fate").format(unknown=p.unknown),
                "delivery:unknown",
            )
            for p in unknown.order_by("-pk")[:SHOWN_DECISIONS]
        ),
        *(
            _decision("failed", c, c.result, "site:campaign")
            for c in failed.order_by("-pk")[:SHOWN_DECISIONS]
        ),
        *(_decision("paused", c, _remaining(sums.get(c.pk)), "site:campaign") for c in paused),
    ]
    return found[:SHOWN_DECISIONS]


def _remaining(sums: Progress | None) -> str:
    return (
        gettext("{remaining:,} remain").format(remaining=sums.remaining)
        if sums
        else gettext("Nothing was sent yet")
    )


def _decision(kind: str, about: Any, words: str, view: str) -> dict[str, str]:
    return {"kind": kind, "name": str(about), "words": words, "url": reverse(view, args=[about.pk])}


def _latest(seen: QuerySet[Campaign]) -> list[Line]:
    ended = seen.filter(status__in=ENDED).select_related("workspace", "segment")
    return lines.lines(list(ended.order_by("-finished_at", "-pk")[:SHOWN]))


def _growth(request: HttpRequest) -> dict[str, Any]:
    """How many are opted in, and how that came about in the last month."""
    workspaces = list(workspaces_visible_to(request.user))
    size = audience_report.size(workspaces)
    days = audience_report.growth(workspaces, GROWTH_DAYS, size)
    came, went = sum(day.opted_in for day in days), sum(day.opted_out for day in days)
    series = [Series(gettext("Opted in to e-mail"), [day.subscribed for day in days], "primary", "area")]
    labels = [date_format(day.day, "j M") for day in days]
    words = gettext(
        "How many were opted in to e-mail at the end of each of the last {growth_days} days."
    ).format(growth_days=GROWTH_DAYS)
    return {"size": size, "came": came, "went": went, "growth": Chart(labels, series, words)}


def _first_steps(request: HttpRequest) -> list[dict[str, Any]]:
    """What to do on a new site, in order, each with whether it is done."""
    if not workspaces_visible_to(request.user).exists():
        hint = gettext("Its name, time zone and postal address. All else follows.")
        return [_step(gettext("Name your brand"), hint, "admin:audience_workspace_add", False)]
    models: list[Any] = [Customer, Sender, Template]
    has = {model: model.objects.visible_to(request.user).exists() for model in models}
    return [
        _step(
            gettext("Import your customers"),
            gettext("A CSV file of addresses."),
            "admin:audience_customerimport_add",
            has[Customer],
        ),
        _step(
            gettext("Set up a sender"),
            gettext("Who the mails come from. The local mailbox is fine for a try."),
            "admin:campaigns_sender_add",
            has[Sender],
        ),
        _step(
            gettext("Write a template"),
            gettext("What the mail says, with merge fields."),
            "campaigns:template_new",
            has[Template],
        ),
        _step(
            gettext("Send a campaign"),
            gettext("Choose who gets it, look at the numbers, then send."),
            "delivery:compose_new",
            False,
        ),
    ]


def _step(title: str, hint: str, view: str, done: bool) -> dict[str, Any]:
    return {"title": title, "hint": hint, "url": reverse(view), "done": done}
