"""Mails of which nobody knows whether they were accepted: the list, and the choice that settles them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audience import access
from audience.views.frame import user_of
from campaigns.models import Campaign
from delivery import unknown, why
from delivery.message import message_id
from delivery.models import SendLog
from delivery.views.frame import find_campaign, show, staff_page

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django_stubs_ext import StrOrPromise

PER_PAGE = 50
# Digits that the database takes for an id.
MAX_DIGITS = 18


@dataclass(frozen=True)
class Choice:
    """One way to settle unknown mails, and how it is explained to people."""

    name: str
    act: Callable[[Campaign, User, Collection[int] | None], int]
    title: StrOrPromise
    risk: StrOrPromise
    confirm: StrOrPromise
    done: str


CHOICES = {
    choice.name: choice
    for choice in (
        Choice(
            "send_again",
            unknown.send_again,
            _("Send {mails} again?"),
            _("It may arrive twice: nobody knows whether the first was accepted."),
            _("Send again"),
            "{mails} queued once more.",
        ),
        Choice(
            "count_as_sent",
            unknown.count_as_sent,
            _("Count {mails} as sent?"),
            _("It may never arrive: nobody knows whether it was accepted."),
            _("Count as sent"),
            "{mails} counted as sent.",
        ),
    )
}


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def campaign(request: HttpRequest, pk: int) -> HttpResponse:
    """List a campaign's unknown mails; on POST ask once more, then settle them as was chosen."""
    found = find_campaign(request, pk)
    if request.method != "POST":
        return _list(request, found)
    if not access.may_send(request.user, found.workspace_id):
        raise PermissionDenied(gettext("Only an owner or a manager may settle unknown mails."))
    return _settle(request, found)


def _list(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """All of them, or with ?row= the one that another page spoke of."""
    rows = _chosen(campaign, _ids(request.GET)) if "row" in request.GET else unknown.rows(campaign)
    page = Paginator(rows.select_related("sender").order_by("pk"), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "title": gettext("Unknown mails"),
        "subtitle": campaign.name,
        "campaign": campaign,
        "page": page,
        "mails": [(row, why.since(row), _message_id(row)) for row in page],
        "is_one": "row" in request.GET,
        "may_settle": access.may_send(request.user, campaign.workspace_id),
        "why_not_again": unknown.why_not_again(campaign),
    }
    return show(request, "delivery/unknown.html", context)


def _settle(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Ask for a confirmation that says the number; act when that was given for no fewer than there are."""
    choice = CHOICES.get(request.POST.get("choice", ""))
    ids = None if request.POST.get("scope") == "all" else _ids(request.POST)
    number = _chosen(campaign, ids).count()
    if choice is None or not number:
        words = gettext("Nothing was changed: choose mails that are still unknown, and what to do with them.")
        messages.warning(request, words)
    elif choice.act == unknown.send_again and (problem := unknown.why_not_again(campaign)):
        messages.error(request, gettext("Nothing is sent again. {problem}").format(problem=problem))
    elif number > _number(request.POST.get("confirmed", "")):
        return _ask(request, campaign, choice, ids, number)
    else:
        _act(request, campaign, choice, ids)
    return redirect("delivery:unknown", pk=campaign.pk)


def _ask(
    request: HttpRequest, campaign: Campaign, choice: Choice, ids: list[int] | None, number: int
) -> HttpResponse:
    context = {
        "title": choice.title.format(mails=_mails(number)),
        "subtitle": campaign.name,
        "campaign": campaign,
        "choice": choice,
        "ids": ids,
        "number": number,
        "has_grown": "confirmed" in request.POST,
        "what_follows": _what_follows(campaign) if choice.act == unknown.send_again else "",
    }
    return show(request, "delivery/unknown_confirm.html", context)


def _act(request: HttpRequest, campaign: Campaign, choice: Choice, ids: list[int] | None) -> None:
    try:
        settled = choice.act(campaign, user_of(request), ids)
    except unknown.CannotSendAgain as error:
        messages.error(request, gettext("Nothing is sent again. {error}").format(error=error))
    else:
        messages.success(request, choice.done.format(mails=_mails(settled)))


def _what_follows(campaign: Campaign) -> str:
    """When mails that are sent again leave."""
    if not settings.ENABLE_EMAIL_SCHEDULER:
        return gettext(
            "Sending is switched off for this installation, so nothing leaves until it is switched on."
        )
    if campaign.status == Campaign.Status.PAUSED:
        return gettext("The campaign is paused; they leave when somebody resumes it.")
    if campaign.status in unknown.ENDED:
        return gettext(
            "The campaign has ended. It becomes active again for these mails, and for nobody else."
        )
    return gettext("They leave in the background, as the campaign's other mails do.")


def _chosen(campaign: Campaign, ids: list[int] | None) -> QuerySet[SendLog]:
    rows = unknown.rows(campaign)
    return rows if ids is None else rows.filter(pk__in=ids)


def _ids(query: QueryDict) -> list[int]:
    return [_number(text) for text in query.getlist("row")]


def _number(text: str) -> int:
    """A number of the request; 0 for anything else."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else 0


def _mails(number: int) -> str:
    return f"{number:,} {'mail' if number == 1 else 'mails'}"


def _message_id(row: SendLog) -> str:
    return message_id(row.pk, row.campaign_id, row.sender.from_email.rpartition("@")[2])
