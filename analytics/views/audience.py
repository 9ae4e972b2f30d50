"""How the audience grows and how active it is; and who complains, by sender domain."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from analytics import audience_report, totals
from analytics.audience_report import LIMIT, WATCH, WINDOW, Domain
from analytics.tables import METRICS, Cell, Chart, Column, Series, Table, metric_cells, metric_columns, share
from analytics.totals import Totals
from analytics.views.frame import Asked, fresh, report, top_tabs, whole, workspace_choices
from audience.zones import show_in
from campaigns.models import Campaign, Sender
from delivery.views.frame import staff_page

PERIODS = (30, 90, 365)
MONTHS = 12
MONTHLY = ("sent", "delivered", "opened", "clicked", "unsubscribed", "complained")
TONES = ("primary", "good", "info", "warn")
# People on one page of complaints.
PAGE = 100


@staff_page
@require_safe
def audience(request: HttpRequest) -> HttpResponseBase:
    """Growth day by day, and engagement month by month."""
    asked, context, days = _begin(request, "audience", gettext("Audience"))
    counted = audience_report.size(asked.workspaces())
    growth = audience_report.growth(asked.workspaces(), days, counted)
    months = _months(asked)
    context["size"] = counted
    context["active"] = [
        {"days": n, "people": value, "rate": share(value, counted.subscribed)}
        for n in (30, 90, 365)
        if counted and (value := getattr(counted, f"active_{n}")) is not None
    ]
    labels = [date_format(day.day, "j M") for day in growth]
    charts = {
        "growth": Chart(
            labels,
            [
                Series(gettext("Opted in"), [day.opted_in for day in growth], "good", "bar"),
                Series(gettext("Opted out"), [-day.opted_out for day in growth], "bad", "bar"),
            ],
            gettext("How many opted in to e-mail and out of it, day by day."),
            stacked=True,
        ),
        "subscribed": Chart(
            labels,
            [Series(gettext("Opted in to e-mail"), [day.subscribed for day in growth], "primary", "area")],
            gettext("How many were opted in to e-mail at the end of each day."),
        ),
        "engagement": _engagement(months),
    }
    return report(request, "analytics/audience.html", context, [_growth(growth), months], charts)


@staff_page
@require_safe
def complaints(request: HttpRequest) -> HttpResponseBase:
    """The complaint rate of each sender domain, with the lines that Gmail and Yahoo draw."""
    asked, context, days = _begin(request, "complaints", gettext("Complaints"))
    found = audience_report.complaints(_senders(asked), days)
    context["domains"] = [{"domain": domain, "state": _state(domain)} for domain in found]
    first = timezone.now().date() - timedelta(days=days - 1)
    labels = [date_format(first + timedelta(days=n), "j M") for n in range(days)]
    lines = [Series(domain.name, domain.rates, tone) for domain, tone in zip(found, TONES, strict=False)]
    limits = [
        Series("0.1%: stay below", [WATCH] * days, "warn", dashed=True),
        Series("0.3%: never reach", [LIMIT] * days, "bad", dashed=True),
    ]
    words = gettext(
        "Complaints per mail over {window} days, by sender domain, with the lines of 0.1% and 0.3%."
    ).format(window=WINDOW)
    chart = Chart(labels, [*lines, *limits], words, "rate")
    tables = [_domains(asked, found, days), _rates(labels, lines)]
    return report(request, "analytics/complaints.html", context, tables, {"rates": chart})


@staff_page
@require_safe
def complainers(request: HttpRequest) -> HttpResponseBase:
    """Who complained about mails of a sender domain."""
    asked, context, days = _begin(request, "complaints", gettext("Complaints"))
    name = request.GET.get("domain", "")
    senders = [s.pk for s in _senders(asked) if s.from_email.rpartition("@")[2].lower() == name]
    if not senders:
        raise Http404("There is no sender of this domain.")
    first = timezone.now().date() - timedelta(days=days - 1)
    people = audience_report.complained(senders, first).select_related("sendlog", "campaign")
    columns = [
        Column(gettext("E-mail address"), "text"),
        Column(gettext("Campaign"), "text"),
        Column(gettext("At"), "moment"),
    ]
    # A newest page is what somebody can act on; the file has all of them.
    chosen = people if request.GET.get("csv") else people.reverse()[:PAGE]
    rows = [[Cell(f.sendlog.email), Cell(f.campaign.name), Cell(f.at)] for f in chosen]
    context |= {"domain": name, "limit": PAGE}
    return report(request, "analytics/complainers.html", context, [Table("people", name, columns, rows)])


def _begin(request: HttpRequest, tab: str, title: str) -> tuple[Asked, dict[str, Any], int]:
    asked = Asked(request)
    fresh()
    chosen = whole(request.GET.get("days"))
    days = chosen if chosen in PERIODS else PERIODS[1]
    workspaces = asked.workspaces()
    if len(workspaces) == 1:
        show_in(workspaces[0])
    context = {
        "title": title,
        "tabs": top_tabs(asked, tab),
        "workspaces": workspace_choices(asked),
        "days": days,
        "periods": [
            {"label": gettext("{n} days").format(n=n), "url": asked.here(days=n), "is_on": n == days}
            for n in PERIODS
        ],
    }
    return asked, context, days


def _senders(asked: Asked) -> list[Sender]:
    return list(Sender.objects.filter(workspace__in=asked.workspaces()).order_by("pk"))


def _growth(growth: list[audience_report.Growth]) -> Table:
    columns = [
        Column(gettext("Day"), "text"),
        Column(gettext("Opted in")),
        Column(gettext("Opted out")),
        Column(gettext("Opted in at its end")),
    ]
    rows = [
        [Cell(day.day.isoformat()), Cell(day.opted_in), Cell(day.opted_out), Cell(day.subscribed)]
        for day in growth[::-1]
    ]
    return Table("growth", gettext("Opted in and out"), columns, rows)


def _months(asked: Asked) -> Table:
    """Engagement by the month in which campaigns began, the last twelve."""
    since = timezone.now() - timedelta(days=31 * MONTHS)
    campaigns = Campaign.objects.filter(workspace__in=asked.workspaces(), activated_at__gte=since)
    ids = list(campaigns.values_list("pk", flat=True))
    sums: dict[str, Totals] = {}
    found = totals.by("campaign", asked.scope(*ids))
    for pk, first in sorted(totals.first_sent(ids).items(), key=lambda item: item[1]):
        month = date_format(timezone.localtime(first), "M Y")
        sums[month] = sums.get(month, Totals()) + found.get(pk, Totals())
    rows = [
        [Cell(month), *metric_cells(totals_, MONTHLY, lambda number: "")] for month, totals_ in sums.items()
    ]
    return Table(
        "months",
        gettext("Engagement by month"),
        [Column(gettext("Month"), "text"), *metric_columns(MONTHLY)],
        rows,
    )


def _engagement(months: Table) -> Chart:
    series = [
        Series(
            str(METRICS[number][0]), [row[1 + MONTHLY.index(number)].rate for row in months.rows], tone, "bar"
        )
        for number, tone in (("opened", "primary"), ("clicked", "good"))
    ]
    words = gettext("Which share of the delivered mails was opened and clicked, month by month.")
    return Chart([row[0].value for row in months.rows], series, words, "rate")


def _state(domain: Domain) -> str:
    """How a domain stands: good, warn or bad."""
    rate = domain.rate(WINDOW) or 0
    return "bad" if rate >= LIMIT else "warn" if rate >= WATCH else "good"


def _domains(asked: Asked, found: list[Domain], days: int) -> Table:
    columns = [
        Column(gettext("Sender domain"), "text"),
        Column(gettext("Sent")),
        Column(gettext("Complaints"), rated=True),
        Column(gettext("Last {window} days").format(window=WINDOW), "rate"),
    ]
    rows = [
        [
            Cell(domain.name),
            Cell(sum(domain.sent)),
            Cell(
                sum(domain.complained),
                domain.rate(),
                asked.url("complainers", domain=domain.name, days=days) if sum(domain.complained) else "",
            ),
            Cell(domain.rate(WINDOW), note=_state(domain)),
        ]
        for domain in found
    ]
    return Table("domains", gettext("Sender domains"), columns, rows)


def _rates(labels: list[str], lines: list[Series]) -> Table:
    """What the chart draws, in figures, the latest day first."""
    columns = [Column(gettext("Seven days up to"), "text"), *(Column(line.label, "rate") for line in lines)]
    rows = [
        [Cell(label), *(Cell(line.values[place]) for line in lines)] for place, label in enumerate(labels)
    ]
    return Table("rates", gettext("Complaint rate"), columns, rows[::-1])
