"""All campaigns at a glance, and some of them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from analytics import timeline, totals
from analytics.tables import METRICS, Cell, Chart, Column, Series, Table, metric, metric_cells, metric_columns
from analytics.totals import Hour, Totals
from analytics.views.frame import Asked, fresh, report, top_tabs, whole, workspace_choices
from campaigns.models import Campaign
from delivery.views.frame import staff_page

PAGE = 25
SHOWN = ("sent", "delivered", "opened", "clicked", "unsubscribed", "complained")
COMPARED = ("sent", "delivered", "bounced", "opened", "clicked", "unsubscribed", "complained")
# Campaigns that can be told apart in one chart.
LEAST, MOST = 2, 5
TONES = ("primary", "good", "warn", "bad", "info")
HOURS = 72


@staff_page
@require_safe
def overview(request: HttpRequest) -> HttpResponseBase:
    """The campaigns that have begun, newest first, with what became of them."""
    asked = Asked(request)
    fresh()
    begun = _begun(asked)
    before = whole(request.GET.get("before"))
    rows = begun if before is None else begun.filter(pk__lt=before)
    campaigns = list(rows.order_by("-pk")[: PAGE + 1])
    shown, ids = campaigns[:PAGE], [campaign.pk for campaign in campaigns[:PAGE]]
    found = totals.by("campaign", asked.scope(*ids))
    first = totals.first_sent(ids)
    # What was made last need not have gone out last.
    shown.sort(key=lambda campaign: first.get(campaign.pk) or campaign.created_at, reverse=True)
    table = _table(asked, shown, found, first)
    context = {
        "title": gettext("Reports"),
        "tabs": top_tabs(asked, "overview"),
        "workspaces": workspace_choices(asked),
        "lines": list(zip(shown, table.rows, strict=True)),
        "least": LEAST,
        "most": MOST,
        "newest": asked.here(before=None) if before else "",
        "older": asked.here(before=ids[-1]) if len(campaigns) > PAGE else "",
    }
    charts = {"rates": _rates(shown[::-1], found)}
    return report(request, "analytics/overview.html", context, [table], charts)


@staff_page
@require_safe
def compare(request: HttpRequest) -> HttpResponseBase:
    """Two to five campaigns side by side."""
    asked = Asked(request)
    fresh()
    wanted = [pk for text in request.GET.getlist("campaign") if (pk := whole(text)) is not None]
    campaigns = list(_begun(asked).filter(pk__in=wanted).order_by("pk")[:MOST])
    found = totals.by("campaign", asked.scope(*(campaign.pk for campaign in campaigns)))
    hours = {campaign.pk: totals.hours(asked.scope(campaign.pk)) for campaign in campaigns}
    charts = {number: _curve(campaigns, found, hours, number) for number in ("opened", "clicked")}
    context = {
        "title": gettext("Compare campaigns"),
        "tabs": top_tabs(asked, ""),
        "is_enough": len(campaigns) >= LEAST,
        "least": LEAST,
        "most": MOST,
        "overview_url": asked.url("overview"),
    }
    tables = [_comparison(asked, campaigns, found), *(_behind(number, charts[number]) for number in charts)]
    return report(request, "analytics/compare.html", context, tables, charts)


def _begun(asked: Asked) -> Any:
    """The campaigns of the workspaces asked for that were ever activated."""
    campaigns = Campaign.objects.visible_to(asked.request.user).exclude(status=Campaign.Status.DRAFT)
    chosen = whole(asked.request.GET.get("workspace"))
    return campaigns if chosen is None else campaigns.filter(workspace=chosen)


def _table(
    asked: Asked, campaigns: Sequence[Campaign], found: dict[int, Totals], first: dict[int, Any]
) -> Table:
    columns = [
        Column(gettext("Campaign"), "text"),
        Column(gettext("First mail"), "moment"),
        *metric_columns(SHOWN),
    ]
    rows = [
        [
            Cell(campaign.name, url=asked.url("campaign", campaign.pk)),
            Cell(first.get(campaign.pk)),
            *metric_cells(found.get(campaign.pk, Totals()), SHOWN, partial(asked.people_url, campaign.pk)),
        ]
        for campaign in campaigns
    ]
    return Table("campaigns", gettext("Campaigns"), columns, rows)


def _rates(campaigns: Sequence[Campaign], found: dict[int, Totals]) -> Chart:
    """Opened and clicked from campaign to campaign; those that have not sent anything are left out."""
    sent = [campaign for campaign in campaigns if found.get(campaign.pk, Totals()).delivered]
    series = [
        Series(str(METRICS[number][0]), [metric(found[c.pk], number).rate for c in sent], tone, "line")
        for number, tone in (("opened", "primary"), ("clicked", "good"))
    ]
    words = gettext("Which share of the delivered mails was opened and clicked, campaign by campaign.")
    return Chart([campaign.name for campaign in sent], series, words, "rate")


def _comparison(asked: Asked, campaigns: Sequence[Campaign], found: dict[int, Totals]) -> Table:
    """A line for each number, a column for each campaign."""
    columns = [
        Column(gettext("Mails"), "text"),
        *(Column(campaign.name, rated=True) for campaign in campaigns),
    ]
    rows = []
    for number in COMPARED:
        cells = [metric(found.get(c.pk, Totals()), number, asked.people_url(c.pk, number)) for c in campaigns]
        rows.append([Cell(METRICS[number][0]), *cells])
    return Table("comparison", gettext("Side by side"), columns, rows)


def _curve(
    campaigns: Sequence[Campaign], found: dict[int, Totals], hours: dict[int, list[Hour]], number: str
) -> Chart:
    """The share of the delivered that had opened or clicked, hour by hour after the first mail."""
    series = []
    for campaign, tone in zip(campaigns, TONES, strict=False):
        delivered = found.get(campaign.pk, Totals()).delivered
        sums = timeline.since_start(hours[campaign.pk], number, HOURS)
        series.append(Series(campaign.name, [n / delivered if delivered else None for n in sums], tone))
    words = gettext(
        "Which share of the delivered mails was {number}, hour by hour after the first mail."
    ).format(number=number)
    return Chart([f"{hour} h" for hour in range(1, HOURS + 1)], series, words, "rate")


def _behind(number: str, chart: Chart) -> Table:
    """What a curve draws, in figures."""
    columns = [Column(gettext("After"), "text"), *(Column(series.label, "rate") for series in chart.series)]
    rows = [
        [Cell(label), *(Cell(series.values[place]) for series in chart.series)]
        for place, label in enumerate(chart.labels)
    ]
    return Table(number, gettext("{number}, hour by hour").format(number=METRICS[number][0]), columns, rows)
