"""A customer's page: who they are, all that happened, what waits for them; and their rights as buttons.

Fields, consent and suppression are audience's to change, and its views are posted to.
"""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audience import access, zones
from audience.models import Attribute, ConsentRecord, Customer, Suppression
from campaigns.flows import persons
from campaigns.models import Campaign, Enrollment
from delivery import erasure, life, why
from delivery.life import Entry, Kind, Place
from delivery.views.frame import find_campaign, show, staff_page

PAGE = 30
SHOWN_PLACES = 10
SHOWN_CAMPAIGNS = 8
PANEL = "life"
# In the address of a link, as templates have it.
FILLED_IN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.S)


@staff_page
@never_cache
@require_safe
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """The page; asked for the next part of the life, that part alone."""
    found = _find(request, pk)
    shown = {"customer": found, **_life(request, found)}
    if request.headers.get("HX-Target") == PANEL:
        return render(request, "delivery/person/life.html", shown)
    context = {
        "title": found.name or found.email,
        **_attributes(found),
        **_their_clock(found),
        "channels": _channels(found),
        "suppression": Suppression.objects.of(found.workspace).filter(email=found.email).first(),
        "places": _places(found),
        "may_edit": access.may_edit(request.user, found.workspace_id),
        "may_send": access.may_send(request.user, found.workspace_id),
        "may_erase": access.owns(request.user, found.workspace_id),
        **shown,
        **_asked_about(request, found),
    }
    return show(request, "delivery/person/page.html", context)


@staff_page
@never_cache
@require_safe
def asked(request: HttpRequest, pk: int) -> HttpResponse:
    """Why they did or didn't get a campaign: the campaigns that are meant, or the answer for one."""
    found = _find(request, pk)
    context = {"customer": found, **_asked_about(request, found)}
    if "HX-Request" in request.headers:
        return render(request, "delivery/person/asked.html", context)
    return redirect(f"{_url(found)}?{request.GET.urlencode()}")


@staff_page
@require_POST
def steer(request: HttpRequest, pk: int, enrollment: int) -> HttpResponse:
    """Skip a wait, move the customer in a flow or take them out of it."""
    found = _find(request, pk)
    if not access.may_send(request.user, found.workspace_id):
        raise PermissionDenied(gettext("Only an owner or a manager may move people."))
    place = get_object_or_404(life.enrollments(found), pk=enrollment)
    reason = request.POST.get("why", "").strip()[:300]
    act, step = request.POST.get("act", ""), request.POST.get("step", "")
    try:
        persons.act(place, act, cast(User, request.user), step, reason)
    except persons.CannotMove as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("Done, and noted in the flow's timeline."))
    return redirect("delivery:person", pk)


@staff_page
@never_cache
@require_POST
def export(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything that is known of a customer, as a file."""
    found = _find(request, pk)
    if not access.may_send(request.user, found.workspace_id):
        raise PermissionDenied(gettext("Owners and managers may export a person."))
    headers = {"Content-Disposition": f'attachment; filename="customer-{pk}.json"'}
    known = erasure.export(found.workspace, found.email)
    return JsonResponse(known, json_dumps_params={"indent": 2, "ensure_ascii": False}, headers=headers)


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask first, then forget the customer."""
    found = _find(request, pk)
    if not access.owns(request.user, found.workspace_id):
        raise PermissionDenied(gettext("Owners may erase a person."))
    if request.method != "POST":
        context = {"title": gettext("Erase {email}?").format(email=found.email), "customer": found}
        return show(request, "delivery/erase.html", context)
    try:
        erasure.erase(found.workspace, found.email)
    except erasure.InHand as error:
        messages.error(request, gettext("Nothing was erased. {error}").format(error=error))
        return redirect("delivery:person", pk)
    messages.success(
        request,
        gettext("{email} is forgotten, and is not mailed should the address come back.").format(
            email=found.email
        ),
    )
    return redirect("audience:customers")


def _find(request: HttpRequest, pk: int) -> Customer:
    customers = Customer.objects.visible_to(request.user).select_related("workspace")
    found: Customer = get_object_or_404(customers, pk=pk)
    zones.show_in(found.workspace)
    return found


def _url(customer: Customer) -> str:
    return reverse("delivery:person", args=[customer.pk])


def _their_clock(customer: Customer) -> dict[str, Any]:
    """What a clock shows where they are, now."""
    name = customer.time_zone or customer.workspace.time_zone
    now = timezone.now().astimezone(ZoneInfo(name))
    return {"zone_of_theirs": name, "now": now, "clock": date_format(now, "l, H:i")}


def _attributes(customer: Customer) -> dict[str, Any]:
    """Their attributes with their values, and the names of those that nobody knows of them."""
    names = Attribute.objects.of(customer.workspace).order_by("name").values_list("name", flat=True)
    words = {name: name.replace("_", " ").capitalize() for name in names}
    held = customer.attributes
    return {
        "known": [(words[name], _said(held[name])) for name in words if name in held],
        "unknown": [words[name].lower() for name in words if name not in held],
    }


def _said(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _channels(customer: Customer) -> list[dict[str, Any]]:
    channel = ConsentRecord.Channel
    held = ((channel.EMAIL, customer.subscribed), (channel.SMS, customer.sms_subscribed))
    return [{"name": name.value, "label": name.label, "is_in": is_in} for name, is_in in held]


def _life(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    """A page of what happened, narrowed as the address asks."""
    asked = request.GET.get("kind", "")
    kind = Kind(asked) if asked in Kind else None
    after = Place.read(request.GET.get("after", ""))
    found = life.page(customer, kind, after, PAGE + 1)
    shown = found[:PAGE]
    links = life.addresses(shown)
    here = _url(customer)
    kinds = [("", gettext("All")), *Kind.choices]
    chosen = {"kind": kind.value} if kind else {}
    return {
        "entries": [(entry, _address(links, entry)) for entry in shown],
        "kinds": [
            {"label": label, "url": f"{here}?kind={value}" if value else here, "is_on": value == (kind or "")}
            for value, label in kinds
        ],
        "newest": f"{here}?{urlencode(chosen)}" if after else "",
        "older": f"{here}?{urlencode({**chosen, 'after': shown[-1].place})}" if len(found) > PAGE else "",
    }


def _address(links: dict[tuple[int, int], str], entry: Entry) -> str:
    """Where the link leads; what its author had filled in for each person is left out."""
    return FILLED_IN.sub("…", links.get((life.content_id(entry) or 0, entry.link or 0), ""))


def _places(customer: Customer) -> list[dict[str, Any]]:
    """Where they are in flows now, those that go on first in front."""
    open_ones = life.enrollments(customer).filter(state__in=Enrollment.OPEN).order_by("due_at", "pk")
    return [
        {
            "enrollment": place,
            "sentence": persons.sentence(place, place.campaign),
            "targets": persons.targets(place),
            "waits": place.state in (Enrollment.State.WAITING, Enrollment.State.ARRIVING),
        }
        for place in open_ones[:SHOWN_PLACES]
    ]


def _asked_about(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    """The campaigns whose name has the words, newest first; of one that was chosen, the answer."""
    words = request.GET.get("q", "").strip()[:100]
    chosen = request.GET.get("campaign", "")
    if chosen.isdecimal() and len(chosen) < 19:
        campaign = find_campaign(request, int(chosen))
        if campaign.workspace_id != customer.workspace_id:
            raise Http404("The campaign is another workspace's.")
        return {"campaign": campaign, "answer": why.why(campaign, customer.email)}
    named = Campaign.objects.of(customer.workspace).exclude(status=Campaign.Status.DRAFT)
    named = named.filter(name__icontains=words) if words else named
    return {"words": words, "campaigns": list(named.order_by("-pk")[:SHOWN_CAMPAIGNS])}
