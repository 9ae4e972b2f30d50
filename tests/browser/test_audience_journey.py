"""Customers, one customer and the settings in a browser: each page's main act."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from audience.models import ContactPolicy, Customer, Membership, Suppression, Workspace
from campaigns.models import Campaign
from tests.factories import (
    AttributeFactory,
    CampaignFactory,
    CustomerFactory,
    MembershipFactory,
    WorkspaceFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def customer() -> Customer:
    workspace: Workspace = WorkspaceFactory(time_zone="Europe/Berlin")
    AttributeFactory(workspace=workspace, name="city", type="text")
    CustomerFactory.create_batch(3, workspace=workspace)
    made: Customer = CustomerFactory(workspace=workspace, email="ada@example.com", name="Ada Lovelace")
    campaign = CampaignFactory(workspace=workspace, name="Spring sale")
    Campaign.objects.filter(pk=campaign.pk).update(status="paused")
    return made


def test_a_customer_is_searched_opened_and_edited_without_a_mouse(
    page: Page, site: str, customer: Customer
) -> None:
    page.goto(f"{site}/customers/")
    page.keyboard.press("/")
    page.keyboard.type("lovel")
    expect(page.locator("a[data-row]")).to_have_text(["ada@example.com"])
    page.locator("#q").blur()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Edit the fields").press("Enter")
    page.get_by_label("City").fill("London")
    page.get_by_label("City").press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("London")
    assert page.url == f"{site}/customers/{customer.pk}/"


def test_consent_suppression_and_the_reason_why_on_one_page(
    page: Page, site: str, customer: Customer
) -> None:
    page.goto(f"{site}/customers/{customer.pk}/")
    page.locator("summary", has_text="Opt in").click()
    page.get_by_label("Where and how did they agree?").fill("At the till")
    page.get_by_role("button", name="Opt in to SMS").click()
    expect(page.locator("#life")).to_contain_text("At the till")
    page.locator("summary", has_text="Suppress").click()
    page.get_by_label("Why", exact=True).fill("Called us")
    page.get_by_role("button", name="Suppress the address").click()
    expect(page.locator(".suppressed")).to_contain_text("Called us")
    page.locator("summary", has_text="Lift").click()
    page.get_by_role("button", name="Lift the suppression").click()
    expect(page.locator(".suppressed")).to_have_count(0)
    assert not Suppression.objects.exists()
    with page.expect_response(re.compile("spring")):
        page.get_by_label("Name of the campaign").fill("spring")
    page.locator("#asked").get_by_role("link", name="Spring sale").click()
    expect(page.locator("[data-answer]")).to_contain_text("audience is still being written")
    page.get_by_role("navigation", name="By kind").get_by_role("link", name="Flows").click()
    expect(page.locator("#life")).to_contain_text("Nothing of this kind")
    assert page.url.endswith("?kind=flows")


def test_the_settings_are_changed_and_somebody_is_let_in(page: Page, site: str, customer: Customer) -> None:
    MembershipFactory(workspace=customer.workspace)
    page.goto(f"{site}/settings/")
    page.get_by_label("Postal address").fill("12 Mill Lane, Leeds")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("link", name="Sending hours and caps").click()
    page.get_by_label("At most so many mails").fill("3")
    page.get_by_label("Quiet from").fill("21:00")
    page.get_by_label("until").fill("08:00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert ContactPolicy.objects.get().cap_mails == 3
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Members").click()
    page.get_by_label("E-mail address or user name").fill("grace@example.com")
    page.get_by_label("Role", exact=True).select_option("owner")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text(re.compile("a link to set its password"))).to_be_visible()
    expect(page.locator(".members")).to_contain_text("invited")
    page.locator("summary", has_text="Remove… grace@example.com").click()
    page.get_by_role("button", name="Remove grace@example.com").click()
    expect(page.get_by_text("is no member any more")).to_be_visible()
    assert Membership.objects.count() == 1
