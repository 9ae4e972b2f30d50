"""Test mode of the review and of the editor: one mail to one address, at once."""

from __future__ import annotations

from dataclasses import asdict

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from audience import access
from audience.models import Customer
from campaigns.views.forms import SourcesForm
from campaigns.views.frame import find_own_template
from delivery import test_send
from delivery.views.forms import TemplateTestForm, TestForm
from delivery.views.frame import find_campaign, staff_page

SUGGESTIONS = 8


@staff_page
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test and say what became of it. Takes as long as the mail server does."""
    campaign = find_campaign(request, pk)
    if not access.may_edit(request.user, campaign.workspace_id):
        raise PermissionDenied(gettext("An analyst may read, not send."))
    form = TestForm(campaign, request.POST)
    if not form.is_valid():
        return _report(request, test_send.Outcome(_said(form)))
    somebody = test_send.somebody(campaign.workspace, campaign.audience, campaign.segment)
    customer = form.cleaned_data["render_as"] or somebody
    return _report(request, test_send.send(campaign, form.cleaned_data["address"], customer))


@staff_page
@require_POST
def template_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test of a template as it stands in the editor, saved or not."""
    template = find_own_template(request, pk)
    form = TemplateTestForm(template.workspace, request.POST)
    sources = SourcesForm(request.POST)
    if not (form.is_valid() and sources.is_valid()):
        return _report(request, test_send.Outcome(_said(form) or _said(sources)))
    for column, value in asdict(sources.sources()).items():
        setattr(template, column, value)
    data = form.cleaned_data
    outcome = test_send.send_template(template, data["sender"], data["address"], data["preview_as"])
    return _report(request, outcome)


@staff_page
@require_safe
def customers(request: HttpRequest, pk: int) -> HttpResponse:
    """Customers whose address begins with what was typed, to render a test as."""
    campaign = find_campaign(request, pk)
    prefix = request.GET.get("render_as", "").strip().lower()[:254]
    found = Customer.objects.of(campaign.workspace).filter(email__startswith=prefix).order_by("email")
    return render(request, "delivery/customer_options.html", {"customers": found[:SUGGESTIONS]})


def _said(form: forms.Form) -> str:
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


def _report(request: HttpRequest, outcome: test_send.Outcome) -> HttpResponse:
    return render(request, "delivery/test_outcome.html", {"outcome": outcome})
