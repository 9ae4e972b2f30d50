"""People on their way through a campaign's flow: how many are where, and one with all that was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from audience import access
from audience.addresses import InvalidAddress, normalise
from audience.admin.base import user_of
from audience.models import Customer
from campaigns.flows import persons, runs
from campaigns.models import Campaign, Enrollment

if TYPE_CHECKING:
    from campaigns.admin.campaigns import CampaignAdmin


@require_safe
def steps(request: HttpRequest, admin: CampaignAdmin, pk: int) -> HttpResponse:
    """How many people wait at each step, have passed it and have left there; and a look for one of them."""
    campaign = _campaign(request, admin, pk)
    email = request.GET.get("email", "").strip()[:300]
    context = _frame(request, admin, campaign, gettext("People in the flow")) | {
        "email": email,
        "looked_for": email,
    }
    if email:
        customer = _customer(campaign, email)
        if customer is not None and persons.enrollments(campaign, customer).exists():
            return redirect("admin:campaigns_campaign_person", pk, customer.pk)
    context["lines"] = runs.steps(campaign)
    context["backlog"] = runs.backlog(campaign)
    return TemplateResponse(request, "admin/campaigns/campaign/people.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def person(request: HttpRequest, admin: CampaignAdmin, pk: int, customer_pk: int) -> HttpResponse:
    """One person's timeline, each time they began the flow; acts on POST."""
    campaign = _campaign(request, admin, pk)
    customer = get_object_or_404(Customer.objects.of(campaign.workspace), pk=customer_pk)
    if request.method == "POST":
        return _act(request, campaign, customer)
    places = list(persons.enrollments(campaign, customer).select_related("version__flow"))
    if not places:
        raise Http404("This person has not been in the flow.")
    context = _frame(request, admin, campaign, str(customer)) | {
        "customer": customer,
        "places": [
            {
                "enrollment": place,
                "sentence": persons.sentence(place, campaign),
                "timeline": persons.timeline(place, campaign),
                "is_open": place.state in Enrollment.OPEN,
                "targets": persons.targets(place),
            }
            for place in places
        ],
        "may_act": access.may_send(request.user, campaign.workspace_id),
    }
    return TemplateResponse(request, "admin/campaigns/campaign/person.html", context)


def _act(request: HttpRequest, campaign: Campaign, customer: Customer) -> HttpResponse:
    if not access.may_send(request.user, campaign.workspace_id):
        raise PermissionDenied(gettext("Only an owner or a manager may move people."))
    chosen = request.POST.get("enrollment", "")
    places = persons.enrollments(campaign, customer)
    place = get_object_or_404(places, pk=int(chosen) if chosen.isdecimal() else 0)
    why, actor = request.POST.get("why", "").strip()[:300], user_of(request)
    try:
        persons.act(place, request.POST.get("act", ""), actor, request.POST.get("step", ""), why)
    except persons.CannotMove as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("Done, and noted in the timeline."))
    return redirect("admin:campaigns_campaign_person", campaign.pk, customer.pk)


def _campaign(request: HttpRequest, admin: CampaignAdmin, pk: int) -> Campaign:
    campaign: Campaign | None = admin.get_object(request, str(pk))
    if campaign is None or campaign.flow_id is None:
        raise Http404("There is no such campaign, or it runs no flow.")
    return campaign


def _customer(campaign: Campaign, email: str) -> Customer | None:
    try:
        found: Customer | None = (
            Customer.objects.of(campaign.workspace).filter(email=normalise(email)).first()
        )
    except InvalidAddress:
        return None
    return found


def _frame(request: HttpRequest, admin: CampaignAdmin, campaign: Campaign, title: str) -> dict[str, Any]:
    return admin.admin_site.each_context(request) | {
        "opts": admin.opts,
        "campaign": campaign,
        "title": title,
        "subtitle": campaign.name,
    }
