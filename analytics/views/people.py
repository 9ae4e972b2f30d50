"""The people behind a number, and the file that holds all of them."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from analytics import click_map, people
from analytics.people import NUMBERS, PAGE, Line, Question
from analytics.views.frame import Asked, campaign_tabs, fresh, report, whole
from audience import audit, spreadsheets
from audience.mailbox_providers import MailboxProvider
from audience.views.frame import csv_file
from campaigns.models import Campaign, Sender
from delivery.models import SendLog
from delivery.views.frame import find_campaign, staff_page


@staff_page
@require_safe
def behind(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A page of them, in the order of the ledger; with ?csv=people all."""
    campaign, asked = find_campaign(request, pk), Asked(request)
    question = asked.question(pk)
    if question.number not in NUMBERS:
        raise Http404("No report has such a number.")
    fresh()
    if request.GET.get("csv"):
        audit.record("exported", campaign, workspace=campaign.workspace_id, after={"list": question.number})
        return csv_file(f"{campaign.name} {question.number}", _lines(question))
    after = whole(request.GET.get("after")) or 0
    lines = people.behind(question, after, PAGE + 1)
    context = {
        "title": campaign.name,
        "campaign": campaign,
        "tabs": campaign_tabs(asked, campaign, ""),
        "heading": NUMBERS[question.number],
        "filters": _filters(question, campaign),
        "lines": lines[:PAGE],
        "is_reaction": question.number in people.REACTIONS,
        "first": asked.here(after=None) if after else "",
        "next": asked.here(after=lines[PAGE - 1].id) if len(lines) > PAGE else "",
        "csv": asked.here(csv="people", after=None),
    }
    return report(request, "analytics/people.html", context | {"no_switch": _ignores_switch(question)})


def _ignores_switch(question: Question) -> bool:
    """Whether people and machines are the same to this number."""
    return question.number not in ("opened", "clicked")


def _filters(question: Question, campaign: Campaign) -> list[str]:
    """What the number was narrowed to, in words."""
    found = []
    if question.step is not None:
        found.append(gettext("Step {step}").format(step=question.step))
    if question.mailbox_provider is not None:
        names = dict(MailboxProvider.choices)
        found.append(str(names.get(question.mailbox_provider, gettext("Unknown provider"))))
    if question.sender_id is not None:
        senders = Sender.objects.of(campaign.workspace).filter(pk=question.sender_id)
        found += senders.values_list("name", flat=True)
    if question.link:
        content = click_map.content_of(campaign, question.step)
        links = click_map.links(content) if content else []
        texts = [link.text or link.url for link in links if link.number == question.link]
        found.append(": ".join([gettext("Link {link}").format(link=question.link), *texts]))
    if question.reason:
        found.append(str(dict(SendLog.Reason.choices).get(question.reason, question.reason)))
    if question.code:
        found.append(question.code)
    return found


def _lines(question: Question) -> Any:
    """What the file holds."""
    yield [gettext("E-mail address"), gettext("Customer"), gettext("At"), gettext("Times"), gettext("Why")]
    for line in people.everybody(question):
        yield _line(line)


def _line(line: Line) -> list[Any]:
    at = timezone.localtime(line.at).isoformat(timespec="seconds") if line.at else ""
    return [
        spreadsheets.cell(line.email),
        line.customer_id,
        at,
        line.times or "",
        spreadsheets.cell(line.note),
    ]
