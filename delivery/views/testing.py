"""Test mode of the send page: one mail to one address, at once."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from audience import access
from audience.models import Customer
from campaigns.models import Campaign
from delivery import test_send
from delivery.views.forms import AudienceForm, TestForm
from delivery.views.frame import find_campaign, staff_page

SUGGESTIONS = 8


@staff_page
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test and say what became of it. Takes as long as the mail server does."""
    campaign = find_campaign(request, pk)
    if not access.may_edit(request.user, campaign.workspace_id):
        raise PermissionDenied("An analyst may read, not send.")
    form = TestForm(campaign, request.POST)
    if not form.is_valid():
        problem = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return _report(request, test_send.Outcome(problem))
    customer = form.cleaned_data["render_as"] or _somebody(request, campaign)
    return _report(request, test_send.send(campaign, form.cleaned_data["address"], customer))


@staff_page
@require_safe
def customers(request: HttpRequest, pk: int) -> HttpResponse:
    """Customers whose address begins with what was typed, to render a test as."""
    campaign = find_campaign(request, pk)
    prefix = request.GET.get("render_as", "").strip().lower()[:254]
    found = Customer.objects.of(campaign.workspace).filter(email__startswith=prefix).order_by("email")
    return render(request, "delivery/customer_options.html", {"customers": found[:SUGGESTIONS]})


def _somebody(request: HttpRequest, campaign: Campaign) -> Customer | None:
    """Somebody of the audience that is chosen on the page; it need not be saved."""
    form = AudienceForm(campaign, request.POST)
    chosen = form.chosen() if form.is_valid() else {}
    return test_send.somebody(
        campaign.workspace, chosen.get("audience", campaign.audience), chosen.get("segment", campaign.segment)
    )


def _report(request: HttpRequest, outcome: test_send.Outcome) -> HttpResponse:
    return render(request, "delivery/test_outcome.html", {"outcome": outcome})
