"""The reports of one campaign: its summary, its delivery, its links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from analytics import click_map, failures, people, timeline, totals
from analytics.models import THOUSANDTHS
from analytics.people import GOALS
from analytics.tables import (
    METRICS,
    Cell,
    Chart,
    Column,
    Series,
    Table,
    metric,
    metric_cells,
    metric_columns,
    share,
)
from analytics.timeline import Bucket
from analytics.totals import LinkTotals, Totals
from analytics.views.frame import Asked, campaign_tabs, fresh, report
from audience.mailbox_providers import MailboxProvider
from campaigns.flows import runs
from campaigns.models import Campaign, Sender
from delivery.views.frame import find_campaign, staff_page

# What is shown of each mailbox provider and sender; on the summary only what there is room for.
PLACES = ("sent", "delivered", "bounced", "opened", "clicked", "unsubscribed", "complained")
FEW = ("delivered", "opened", "clicked")
TILES = ("delivered", "opened", "clicked", "unsubscribed", "complained")
FUNNEL = ("audience", "sent", "delivered", "opened", "clicked")
# Where mails are that were not sent.
ASIDE = ("waiting", "suppressed", "failed", "unknown", "cancelled")
LABELS = {number: label for number, (label, _) in METRICS.items()} | people.LEDGER
LINKS_ON_SUMMARY = 5
# The newest acts on a campaign that are shown with its numbers.
NOTES = 3
# A mail is somebody's HTML, and this one is only to be looked at.
SANDBOX = (
    "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline' https:;"
    " font-src https: data:; frame-ancestors 'self'"
)


@staff_page
@require_safe
def summary(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What the campaign amounts to, on one page."""
    campaign, asked, context = _begin(request, pk, "campaign")
    found = totals.of(asked.scope(pk))
    url_of = partial(asked.people_url, pk)
    buckets = timeline.buckets(totals.hours(asked.scope(pk)))
    context |= {
        "totals": found,
        "goal": _goal(campaign, found, url_of),
        "tiles": [
            {"label": METRICS[number][0], "cell": metric(found, number, url_of(number))} for number in TILES
        ],
        "funnel": _funnel(found, asked, pk),
        "aside": [
            {"label": LABELS[number], "value": value, "url": url_of(number)}
            for number in ASIDE
            if (value := getattr(found, number))
        ],
        "links_url": asked.url("links", pk),
    }
    tables = [
        _hours(buckets),
        _providers(asked, pk, FEW),
        _links(campaign, asked, found, totals.links(asked.scope(pk)))[0],
        _steps(campaign, asked),
    ]
    context["top_links"] = tables[2].rows[:LINKS_ON_SUMMARY]
    return report(request, "analytics/campaign.html", context, tables, {"hours": _hours_chart(buckets)})


@staff_page
@require_safe
def delivery(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Where mails arrived, and why the others did not."""
    campaign, asked, context = _begin(request, pk, "delivery")
    providers, senders, reasons = _providers(asked, pk), _senders(asked, pk), _failures(asked, pk)
    context |= {"totals": totals.of(asked.scope(pk))}
    charts = {"providers": _places_chart(providers)}
    return report(request, "analytics/delivery.html", context, [providers, senders, reasons], charts)


@staff_page
@require_safe
def links(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Which links were clicked: a table, beside the mail itself."""
    campaign, asked, context = _begin(request, pk, "links")
    clicks = totals.links(asked.scope(pk))
    table, chart = _links(campaign, asked, totals.of(asked.scope(pk)), clicks)
    context |= {
        "mail_url": asked.url("mail", pk),
        "has_mail": click_map.content_of(campaign, asked.step) is not None,
        "most": max((found.mails for found in clicks.values()), default=1),
    }
    return report(request, "analytics/links.html", context, [table], {"links": chart})


@staff_page
@require_safe
def mail(request: HttpRequest, pk: int) -> HttpResponse:
    """The mail with its clicks, for the frame."""
    campaign, asked = find_campaign(request, pk), Asked(request)
    scope = asked.scope(pk)
    clicked = totals.of(scope).clicked
    response = HttpResponse(click_map.shown(campaign, totals.links(scope), clicked, asked.step))
    response["Content-Security-Policy"] = SANDBOX
    return response


@staff_page
@require_safe
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """The campaign's report in a line, for the pages of other apps."""
    campaign, asked = find_campaign(request, pk), Asked(request)
    fresh()
    found = totals.of(asked.scope(pk))
    tiles = [{"label": METRICS[number][0], "cell": metric(found, number)} for number in TILES]
    context = {"tiles": tiles, "url": asked.url("campaign", pk), "totals": found, "campaign": campaign}
    return render(request, "analytics/panel.html", context)


def _begin(request: HttpRequest, pk: int, tab: str) -> tuple[Campaign, Asked, dict[str, Any]]:
    """The campaign, if the user may see it, what is asked for, and what every page of it shows."""
    campaign, asked = find_campaign(request, pk), Asked(request)
    fresh()
    steps, names = totals.steps(pk), step_names(campaign)
    every = [{"label": gettext("All steps"), "url": asked.here(step=None), "is_on": asked.step is None}]
    each = [
        {
            "label": names.get(n, gettext("Step {step}").format(step=n)),
            "url": asked.here(step=n),
            "is_on": n == asked.step,
        }
        for n in steps
    ]
    context = {
        "title": campaign.name,
        "campaign": campaign,
        "notes": _notes(campaign),
        "tabs": campaign_tabs(asked, campaign, tab),
        "steps": every + each if len(steps) > 1 else [],
    }
    return campaign, asked, context


def _notes(campaign: Campaign) -> list[str]:
    """What was done to it that its numbers have to be read with: mails sent again, reactions made up."""
    notes = campaign.transitions.filter(action="note").order_by("-pk")
    return list(notes.values_list("reason", flat=True)[:NOTES])


# --- Of the summary ----------------------------------------------------------------------------------


def _funnel(found: Totals, asked: Asked, pk: int) -> list[dict[str, Any]]:
    """From the audience to the click, each with its share of everybody and of those before it."""
    lines, before = [], None
    for number in FUNNEL:
        value = getattr(found, number)
        lines.append(
            {
                "label": LABELS[number],
                "value": value,
                "url": asked.people_url(pk, number) if value else "",
                "percent": min(100, 100 * (share(value, found.audience) or 0)),
                "of_before": None if before is None else share(value, before),
            }
        )
        # Opened and clicked are both told of those delivered.
        before = before if number == "opened" else value
    return lines


def _goal(campaign: Campaign, found: Totals, url_of: Callable[[str], str]) -> dict[str, Any] | None:
    """Who did what the campaign is for."""
    if not campaign.goal_event:
        return None
    lines = [
        {
            "label": METRICS[number][0],
            "of": METRICS[number][1],
            "cell": metric(found, number, url_of(number)),
            "events": getattr(found, f"{number}_events"),
            "value": goal_value(found, number),
        }
        for number in GOALS
    ]
    return {"lines": lines}


def goal_value(found: Totals, number: str) -> float:
    """The sum of the property that the goal names."""
    return float(getattr(found, f"{number}_value") / THOUSANDTHS)


def step_names(campaign: Campaign) -> dict[int, str]:
    """What the steps of a campaign's flow are called."""
    if campaign.flow_id is None:
        return {}
    return {key: step.label for key, step in runs.known_steps(campaign.flow_id).items()}


def _steps(campaign: Campaign, asked: Asked) -> Table:
    """The mails of a flow, step by step in the order of their keys."""
    numbers = (*PLACES, *GOALS) if campaign.goal_event else PLACES
    names = step_names(campaign)
    rows = []
    for step, sums in totals.by("step", asked.scope(campaign.pk)).items():
        url_of = partial(asked.people_url, campaign.pk, step=step)
        rows.append(
            [
                Cell(names.get(step, gettext("Step {step}").format(step=step))),
                *metric_cells(sums, numbers, url_of),
            ]
        )
        if campaign.goal_value:
            rows[-1] += [Cell(goal_value(sums, number)) for number in GOALS]
    columns = [Column(gettext("Step"), "text"), *metric_columns(numbers)]
    if campaign.goal_value:
        columns += [Column(f"{METRICS[number][0]}: {campaign.goal_value}", "sum") for number in GOALS]
    return Table("steps", gettext("Step by step"), columns, rows)


def _hours(buckets: Sequence[Bucket]) -> Table:
    columns = [
        Column(gettext("When"), "text"),
        Column(gettext("Sent")),
        Column(gettext("First opens")),
        Column(gettext("First clicks")),
    ]
    rows = [[Cell(b.label), Cell(b.sent), Cell(b.opened), Cell(b.clicked)] for b in buckets]
    return Table("hours", gettext("Opens and clicks over time"), columns, rows)


def _hours_chart(buckets: Sequence[Bucket]) -> Chart:
    shown = [bucket for bucket in buckets if not bucket.is_later]
    opened = Series(gettext("First opens"), [bucket.opened for bucket in shown], "primary", "area")
    clicked = Series(gettext("First clicks"), [bucket.clicked for bucket in shown], "good", "area")
    best = max(shown, key=lambda bucket: bucket.opened + bucket.clicked, default=None)
    words = gettext("How many mails were opened and clicked for the first time, over time.")
    if best and best.opened + best.clicked:
        words += " " + gettext("Most of it happened at {hour}.").format(hour=best.label)
    return Chart([bucket.label for bucket in shown], [opened, clicked], words)


# --- Of delivery -------------------------------------------------------------------------------------


def _providers(asked: Asked, pk: int, numbers: Sequence[str] = PLACES) -> Table:
    names = {value: str(label) for value, label in MailboxProvider.choices}
    rows = _places("mailbox_provider", names, asked, pk, numbers)
    columns = [Column(gettext("Mailbox provider"), "text"), *metric_columns(numbers)]
    return Table("providers", gettext("By mailbox provider"), columns, rows)


def _senders(asked: Asked, pk: int) -> Table:
    names = Sender.objects.filter(pk__in=totals.by("sender_id", asked.scope(pk)))
    rows = _places("sender_id", dict(names.values_list("pk", "name")), asked, pk, PLACES)
    return Table(
        "senders", gettext("By sender"), [Column(gettext("Sender"), "text"), *metric_columns(PLACES)], rows
    )


def _places(
    column: str, labels: Mapping[Any, str], asked: Asked, pk: int, numbers: Sequence[str]
) -> list[list[Cell]]:
    """The numbers of each mailbox provider or sender, that with the most mails first."""

    def line(place: Any, sums: Totals) -> list[Cell]:
        url_of = partial(asked.people_url, pk, **{column: place})
        return [Cell(labels.get(place, gettext("Deleted"))), *metric_cells(sums, numbers, url_of)]

    found = totals.by(column, asked.scope(pk))
    return [line(place, sums) for place, sums in sorted(found.items(), key=lambda item: -item[1].sent)]


def _places_chart(table: Table) -> Chart:
    """The rates of each place side by side."""
    headings = [column.heading for column in table.columns]
    series = [
        Series(heading, [row[headings.index(heading)].rate for row in table.rows], tone, "bar")
        for heading, tone in (
            (str(METRICS["delivered"][0]), "quiet"),
            (str(METRICS["opened"][0]), "primary"),
            (str(METRICS["clicked"][0]), "good"),
        )
    ]
    words = gettext("Which share of the mails was delivered, opened and clicked at each mailbox provider.")
    return Chart([row[0].value for row in table.rows], series, words, "rate")


def _failures(asked: Asked, pk: int) -> Table:
    scope = asked.scope(pk)
    columns = [
        Column(gettext("What happened"), "text"),
        Column(gettext("Reason"), "text"),
        Column(gettext("Mails")),
        Column(gettext("Code"), "code"),
        Column(gettext("In the provider's words"), "text"),
    ]
    rows = []
    for failure in failures.by_reason(scope, pk):
        found = failure.found
        why = {"code": found.code} | ({} if found.kind == "bounced" else {"reason": found.reason})
        url = asked.people_url(pk, found.kind, **why)
        rows.append(
            [
                Cell(failure.kind),
                Cell(failure.words),
                Cell(found.mails, url=url),
                Cell(failure.code),
                Cell(failure.example),
            ]
        )
    return Table("failures", gettext("Errors and bounces"), columns, rows)


# --- Of the links ------------------------------------------------------------------------------------


def _links(
    campaign: Campaign, asked: Asked, found: Totals, clicks: dict[int, LinkTotals]
) -> tuple[Table, Chart]:
    """Each link of the mail, the most clicked first; those that the mail does not name by their number."""
    content = click_map.content_of(campaign, asked.step)
    named = click_map.links(content) if content else []
    words = {link.number: (link.text or link.url, link.url) for link in named}
    numbers = sorted(words.keys() | clicks.keys(), key=lambda n: (-_mails(clicks, n), n))
    rows = [
        [
            Cell(number),
            Cell(
                words.get(number, (gettext("Link {link}").format(link=number), ""))[0],
                note=words.get(number, ("", ""))[1],
            ),
            Cell(
                _mails(clicks, number),
                share(_mails(clicks, number), found.clicked),
                asked.people_url(campaign.pk, "clicked", link=number) if number in clicks else "",
            ),
            Cell(clicks[number].events if number in clicks else 0),
        ]
        for number in numbers
    ]
    who = gettext("People") if asked.people else gettext("Mails")
    columns = [
        Column(gettext("No."), "text"),
        Column(gettext("Link"), "text"),
        Column(who, rated=True),
        Column(gettext("Clicks")),
    ]
    bars = Series(who, [row[2].value for row in rows[:10]], "primary", "bar")
    chart = Chart([str(row[1].value) for row in rows[:10]], [bars], gettext("How many clicked each link."))
    return Table("links", gettext("Links"), columns, rows), chart


def _mails(clicks: dict[int, LinkTotals], number: int) -> int:
    return clicks[number].mails if number in clicks else 0
