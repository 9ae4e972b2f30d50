"""The home page: first steps on a new site, then where things stand."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from analytics import dashboard
from audience.models import Customer
from campaigns import lifecycle
from delivery.models import Progress
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    MembershipFactory,
    SegmentFactory,
    UserFactory,
    WorkspaceFactory,
)

HOME = "admin:index"


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory().user)
    return client


def test_a_new_site_shows_its_first_steps_and_which_are_done(staff: Client) -> None:
    CustomerFactory()
    SegmentFactory()
    page = staff.get(reverse(HOME))
    assert [step["done"] for step in page.context["steps"]] == [True, True, False, False, False]
    assert reverse("admin:audience_customerimport_add") in page.text


def test_a_site_without_a_brand_asks_for_that_first(client: Client, db: None) -> None:
    client.force_login(UserFactory(is_superuser=True))
    page = client.get(reverse(HOME))
    assert [step["title"] for step in page.context["steps"]] == ["Name your brand"]


def test_a_scheduled_campaign_shows_its_start_as_it_was_meant(staff: Client) -> None:
    campaign = CampaignFactory(clock="customer", start_date=date(2999, 6, 15), start_time=time(9, 30))
    lifecycle.activate(campaign)
    assert "15 Jun 2999, 09:30 on each customer's own clock" in staff.get(reverse(HOME)).text


def test_the_latest_campaigns_are_shown_with_status_and_result(staff: Client) -> None:
    running, done = CampaignFactory(name="Running"), CampaignFactory(name="Done")
    for campaign in (running, done):
        lifecycle.activate(campaign)
    lifecycle.complete(done, result="45 of 50 sent")
    Progress.objects.create(campaign=running, matched=4746, sent=3120)
    page = staff.get(reverse(HOME)).text
    assert "45 of 50 sent" in page and "3,120 of 4,746 sent" in page
    assert page.index("Done") < page.index("Running")


def test_other_workspaces_are_not_counted(staff: Client) -> None:
    CustomerFactory(workspace=WorkspaceFactory(slug="other"))
    CampaignFactory(workspace=WorkspaceFactory(slug="other"), name="Foreign")
    page = staff.get(reverse(HOME))
    assert page.context["tiles"][0]["count"] == "0"
    assert "Foreign" not in page.text


def test_somebody_without_a_workspace_is_told_what_to_do(client: Client, db: None) -> None:
    client.force_login(UserFactory())
    assert "Ask whoever runs this site to let you in" in client.get(reverse(HOME)).text


def test_counting_stops_at_a_limit(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "CAP", 2)
    for shown in ("1", "2", "2+"):
        CustomerFactory()
        assert dashboard.capped(Customer.objects.all()) == shown


def test_the_page_asks_little(staff: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(8):
        CampaignFactory()
    with django_assert_max_num_queries(16):
        staff.get(reverse(HOME))
