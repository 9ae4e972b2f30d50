"""The pages for what goes wrong: calm, in words, with a way on, and without the site's inner life."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import lifecycle
from tests.factories import CampaignFactory, MembershipFactory


def test_an_unknown_address_leads_home(client: Client) -> None:
    page = client.get("/nothing/here/")
    assert page.status_code == 404
    assert "This page does not exist" in page.text and reverse("home") in page.text


@pytest.mark.django_db
def test_who_may_not_is_told_who_may(client: Client) -> None:
    client.force_login(MembershipFactory(role=Membership.Role.ANALYST).user)
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    url = reverse("delivery:steer", args=[campaign.pk, "pause"])
    page = client.get(url)
    assert page.status_code == 403
    assert "Only an owner or a manager may steer campaigns." in page.text


def test_a_form_without_its_token_says_what_to_do() -> None:
    page = Client(enforce_csrf_checks=True).post(reverse("admin:login"))
    assert page.status_code == 403
    assert "load the page again" in page.text


def test_an_error_of_ours_needs_nothing_to_be_shown() -> None:
    assert "Something went wrong" in render_to_string("500.html")
