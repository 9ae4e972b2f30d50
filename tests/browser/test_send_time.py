"""The best time to send in a browser: one click accepts it, and the rest of the page follows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.analytics.test_send_time_suggest import profile
from tests.factories import CampaignFactory, CustomerFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_click_accepts_the_suggestion_and_the_review_speaks_of_it(page: Page, site: str) -> None:
    campaign = CampaignFactory(name="Spring", audience="both", segment=None)
    CustomerFactory.create_batch(2)
    CustomerFactory(sms_subscribed=True)
    profile(campaign, own_hours=2, own_gain=0.14)
    page.goto(f"{site}/campaigns/{campaign.pk}/schedule/")
    page.get_by_role("button", name="Use Thu").click()
    expect(page.get_by_text("This is the best time we know")).to_be_visible()
    expect(page.get_by_label("Time of day")).to_have_value("20:00")
    page.get_by_role("button", name="Everybody at their own hour").click()
    expect(page.get_by_label("By whose clock")).to_have_value("best")
    expect(page.get_by_text("Everybody at their own best hour")).to_be_visible()
    page.get_by_role("link", name="Continue to the review").click()
    expect(page.get_by_role("button", name="Schedule for 1 person")).to_be_visible()


def test_a_start_without_a_date_is_refused_and_stays_as_it_was_entered(page: Page, site: str) -> None:
    campaign = CampaignFactory()
    page.goto(f"{site}/campaigns/{campaign.pk}/schedule/")
    page.get_by_label("Time of day").fill("09:30")
    page.get_by_label("Time of day").press("Enter")
    expect(page.get_by_text("The start time has no date")).to_be_visible()
    expect(page.get_by_label("Time of day")).to_have_value("09:30")
