"""The home page: first steps on a new site, then what runs, what needs somebody, what came of it."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery.models import Progress
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    MembershipFactory,
    SenderFactory,
    UserFactory,
    WorkspaceFactory,
)

HOME = "admin:index"


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory().user)
    return client


def active(name: str, **columns: Any) -> Campaign:
    campaign: Campaign = CampaignFactory(name=name, **columns)
    lifecycle.activate(campaign)
    return campaign


def test_a_new_site_shows_its_four_first_steps_and_which_are_done(staff: Client) -> None:
    CustomerFactory()
    SenderFactory()
    page = staff.get(reverse(HOME))
    assert [step["done"] for step in page.context["steps"]] == [True, True, False, False]
    for view in ("admin:audience_customerimport_add", "delivery:compose_new"):
        assert reverse(view) in page.text


def test_a_draft_does_not_end_the_first_steps(staff: Client) -> None:
    CampaignFactory()
    assert "Your first campaign, in 4 steps" in staff.get(reverse(HOME)).text


def test_a_site_without_a_brand_asks_for_that_first(client: Client, db: None) -> None:
    client.force_login(UserFactory(is_superuser=True))
    page = client.get(reverse(HOME))
    assert [step["title"] for step in page.context["steps"]] == ["Name your brand"]


def test_a_scheduled_campaign_shows_its_start_as_it_was_meant(staff: Client) -> None:
    active("Later", clock="customer", start_date=date(2999, 6, 15), start_time=time(9, 30))
    page = staff.get(reverse(HOME))
    assert "15 Jun 2999, 09:30 on each customer's own clock" in page.text
    assert page.context["running"] == []


def test_what_runs_is_shown_with_its_progress_and_expected_end(staff: Client) -> None:
    running = active("Running")
    filled = {"filled_at": running.activated_at}
    Progress.objects.create(campaign=running, matched=4000, sent=1000, failed=2, **filled)
    assert "1,000 of 4,000 sent, 2 failed" in staff.get(reverse(HOME)).text
    carried = f"{running.pk}_{running.activated_at.timestamp() - 60}_502_10.0"  # type: ignore[union-attr]
    panel = staff.get(reverse("site:now"), {"pace": carried})
    assert "left, done about" in " ".join(panel.text.split())


def test_what_needs_somebody_is_named_with_where_to_decide(staff: Client) -> None:
    SenderFactory(name="Broken", state=Sender.State.STOPPED, last_error="Wrong password")
    doubtful, failed, paused = active("Doubtful"), active("Failed"), active("Paused")
    Progress.objects.create(campaign=doubtful, matched=9, sent=7, unknown=2)
    Progress.objects.create(campaign=paused, matched=5000, sent=1786)
    lifecycle.fail(failed, "All e-mail sends failed")
    lifecycle.pause(paused)
    found = staff.get(reverse(HOME)).context["decisions"]
    assert [(one["kind"], one["words"]) for one in found] == [
        ("sender", "Wrong password"),
        ("unknown", "2 mails of unknown fate"),
        ("failed", "All e-mail sends failed"),
        ("paused", "3,214 remain"),
    ]
    assert found[1]["url"] == reverse("delivery:unknown", args=[doubtful.pk])


def test_the_last_campaigns_are_shown_with_what_came_of_them(staff: Client) -> None:
    done = active("Done")
    Progress.objects.create(campaign=done, matched=50, sent=45)
    lifecycle.complete(done, result="45 of 50 sent")
    page = staff.get(reverse(HOME))
    assert [line.campaign.name for line in page.context["latest"]] == ["Done"]
    assert "45 sent" in page.text


def test_other_workspaces_are_not_shown(staff: Client) -> None:
    active("Own")
    for name in ("Foreign runs", "Foreign failed"):
        active(name, workspace=WorkspaceFactory(slug="other"))
    lifecycle.fail(Campaign.objects.get(name="Foreign failed"), "All failed")
    SenderFactory(workspace__slug="other", name="Foreign sender", state=Sender.State.STOPPED)
    for view in (HOME, "site:now"):
        page = staff.get(reverse(view)).text
        assert "Own" in page and "Foreign" not in page


def test_somebody_without_a_workspace_is_told_what_to_do(client: Client, db: None) -> None:
    client.force_login(UserFactory())
    assert "Ask whoever runs this site to let you in" in client.get(reverse(HOME)).text


def test_an_analyst_is_offered_nothing_to_do(client: Client, db: None) -> None:
    client.force_login(MembershipFactory(role=Membership.Role.ANALYST).user)
    page = client.get(reverse(HOME)).text
    assert "Nothing has been sent yet" in page and "New campaign" not in page


def test_many_campaigns_cost_no_more_queries_than_one(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        Progress.objects.create(campaign=active(f"Running {number}"), matched=9, unknown=1)
    staff.get(reverse(HOME))  # Counts what is new.
    with django_assert_max_num_queries(28):
        staff.get(reverse(HOME))
    with django_assert_max_num_queries(16):
        staff.get(reverse("site:now"))
