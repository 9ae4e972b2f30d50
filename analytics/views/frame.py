"""What all reports share: what their address asks for, their tables as CSV files, their charts as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analytics import roll_up, state
from analytics.people import Question
from analytics.tables import Chart, Table
from analytics.totals import Scope
from audience import access, audit
from audience.models import Workspace, workspaces_visible_to
from audience.views.frame import csv_file
from campaigns.models import Campaign
from delivery.views.frame import show

# What stays the same from page to page.
KEPT = ("who", "step", "workspace")
TOP = ((_("Campaigns"), "overview"), (_("Audience"), "audience"), (_("Complaints"), "complaints"))
OF_A_CAMPAIGN = ((_("Summary"), "campaign"), (_("Delivery"), "delivery"), (_("Links"), "links"))


class Asked:
    """What the address of a report asks for: people or everything, a step, a workspace."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.people = request.GET.get("who") != "all"
        self.step = whole(request.GET.get("step"))

    @property
    def kept(self) -> dict[str, str]:
        return {name: self.request.GET[name] for name in KEPT if self.request.GET.get(name)}

    def url(self, view: str, *args: Any, **query: Any) -> str:
        """Another report, that asks for the same."""
        asked = {**self.kept, **query}
        chosen = {name: value for name, value in asked.items() if value is not None}
        address = reverse(f"analytics:{view}", args=args)
        return f"{address}?{urlencode(chosen)}" if chosen else address

    def here(self, **query: Any) -> str:
        """This page, asked for something else; what is None is asked for no more."""
        asked = self.request.GET.copy()
        for name, value in query.items():
            asked.pop(name, None)
            if value is not None:
                asked[name] = str(value)
        return f"?{asked.urlencode()}"

    def scope(self, *campaigns: int) -> Scope:
        return Scope(campaigns, self.step, self.people)

    def people_url(self, campaign_id: int, number: str, **columns: Any) -> str:
        """The people behind a number."""
        return self.url("people", campaign_id, number=number, **columns)

    def question(self, campaign_id: int) -> Question:
        """Which number of a campaign the address asks about. Raises Http404."""
        get = self.request.GET
        return Question(
            campaign_id,
            get.get("number", ""),
            step=self.step,
            people=self.people,
            link=whole(get.get("link")) or 0,
            sender_id=whole(get.get("sender_id")),
            mailbox_provider=get.get("mailbox_provider"),
            reason=get.get("reason"),
            code=get.get("code"),
        )

    def workspaces(self) -> list[Workspace]:
        """The workspaces that the page is about: the chosen one, or all that the user may see."""
        seen = workspaces_visible_to(self.request.user)
        chosen = whole(self.request.GET.get("workspace"))
        return list(seen if chosen is None else seen.filter(pk=chosen))


def whole(text: str | None) -> int | None:
    """A number from an address; None for anything that a column of numbers cannot hold."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


def report(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    tables: Iterable[Table] = (),
    charts: Mapping[str, Chart] | None = None,
) -> HttpResponseBase:
    """The page, or with ?csv= one of its tables as a file."""
    asked = Asked(request)
    by_key = {table.key: table for table in tables}
    if wanted := request.GET.get("csv"):
        if wanted not in by_key:
            raise Http404("This report has no such table.")
        _tell(asked, context, by_key[wanted])
        return csv_file(f"{context['title']} {by_key[wanted].title}", by_key[wanted].lines())
    shown = {
        "asked": asked,
        "tables": {key: {"table": table, "csv": asked.here(csv=key)} for key, table in by_key.items()},
        "charts": charts or {},
        "counted_at": state.current().at,
        "switch": [
            {"label": gettext("People"), "url": asked.here(who=None, after=None), "is_on": asked.people},
            {"label": gettext("All"), "url": asked.here(who="all", after=None), "is_on": not asked.people},
        ],
    }
    return show(request, template, {**shown, **context})


def _tell(asked: Asked, context: Mapping[str, Any], table: Table) -> None:
    """Note who took a table along, for the owners of each workspace that it is about."""
    campaign: Campaign | None = context.get("campaign")
    about = [campaign.workspace] if campaign else asked.workspaces()
    for workspace in about:
        audit.record("exported", campaign, workspace=workspace, name=table.title, after={"list": table.key})


def top_tabs(asked: Asked, current: str) -> list[dict[str, Any]]:
    return [{"label": label, "url": asked.url(view), "is_on": view == current} for label, view in TOP]


def campaign_tabs(asked: Asked, campaign: Campaign, current: str) -> list[dict[str, Any]]:
    return [
        {"label": label, "url": asked.url(view, campaign.pk), "is_on": view == current}
        for label, view in OF_A_CAMPAIGN
    ]


def workspace_choices(asked: Asked) -> list[dict[str, Any]]:
    """The workspaces to choose from; none for somebody who sees one only."""
    if access.sole_workspace(asked.request.user) is not None:
        return []
    chosen = whole(asked.request.GET.get("workspace"))
    every = [{"label": gettext("All workspaces"), "url": asked.here(workspace=None), "is_on": chosen is None}]
    return every + [
        {"label": seen.name, "url": asked.here(workspace=seen.pk), "is_on": seen.pk == chosen}
        for seen in workspaces_visible_to(asked.request.user)
    ]


def fresh() -> None:
    """Count what is new first, where nobody else does it."""
    roll_up.keep_fresh()
