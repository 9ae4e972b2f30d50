"""From an idea to a sent campaign in a browser, and its life after that."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from audience.models import Suppression
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.mailbox.store import MailboxStore
from tests.browser.test_send_journey import working
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    SenderFactory,
    SuppressionFactory,
    TemplateFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


def audience() -> None:
    """Twelve people, of whom one is suppressed; and a mail from somebody."""
    CustomerFactory.create_batch(11, name="Ada Lovelace")
    CustomerFactory(email="bounced@example.com", sms_subscribed=True)
    SuppressionFactory(email="bounced@example.com", reason=Suppression.Reason.HARD_BOUNCE)
    TemplateFactory(name="Letter")
    SenderFactory(name="Newsletter")


def test_five_clicks_from_an_idea_to_a_sent_campaign(page: Page, site: str, mailbox: MailboxStore) -> None:
    audience()
    page.goto(f"{site}{reverse('site:campaigns')}")
    page.get_by_role("button", name="New campaign").click()
    page.get_by_role("button", name="Continue to the content").click()
    page.get_by_role("button", name="Review", exact=True).click()
    page.get_by_role("button", name="Send to 11 people").click()
    page.get_by_role("button", name="Yes, send it").click()
    expect(page.get_by_text("is activated")).to_be_visible()
    campaign = Campaign.objects.get()
    assert campaign.status == "active"
    with working():
        expect(page.locator(".badge").first).to_have_text("completed")
    expect(page.locator(".progress-sum")).to_have_text("11 sent, 0 failed")
    assert mailbox.count(campaign.pk) == 11
    page.get_by_role("button", name="Send to those who joined since").click()
    expect(page.get_by_role("heading", name="Who gets it")).to_be_visible()
    expect(page.locator("#reach")).to_contain_text("Nobody matches as things stand now.")
    CustomerFactory(email="new@example.com")
    page.reload()
    expect(page.locator("[data-will-be-sent]")).to_have_text("1")


def test_what_is_entered_is_saved_at_once_and_counted(page: Page, site: str) -> None:
    audience()
    draft = CampaignFactory(name="Before", audience="all_subscribed", segment=None)
    page.goto(f"{site}{reverse('delivery:compose_audience', args=[draft.pk])}")
    expect(page.locator("[data-will-be-sent]")).to_have_text("11")
    expect(page.locator("#count-both")).to_have_text("1")
    page.get_by_text("Opted in to e-mail and SMS").click()
    expect(page.locator("[data-will-be-sent]")).to_have_text("0")
    page.get_by_label("Name of the campaign").fill("After")
    page.get_by_label("Name of the campaign").press("Tab")
    page.wait_for_function("document.getElementById('saved').innerText.includes('saved')")
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Name of the campaign")).to_have_value("After")
    expect(page.get_by_role("radio", name="Opted in to e-mail and SMS")).to_be_checked()


def test_the_schedule_is_saved_while_it_is_entered(page: Page, site: str) -> None:
    draft = CampaignFactory()
    page.goto(f"{site}{reverse('delivery:compose_schedule', args=[draft.pk])}")
    page.get_by_label("Start date").fill("2040-02-29")
    page.get_by_label("By whose clock").select_option("customer")
    expect(page.locator("#starts")).to_contain_text("29 February 2040, 00:00 on each customer's own clock")
    page.get_by_role("link", name="Continue to the review").click()
    expect(page.get_by_text("29 February 2040").first).to_be_visible()


def test_the_list_starts_pauses_resumes_and_copies_without_being_left(page: Page, site: str) -> None:
    audience()
    CampaignFactory(name="Spring", audience="all_subscribed", segment=None)
    page.goto(f"{site}{reverse('site:campaigns')}")
    page.get_by_role("button", name="Start Spring").click()
    expect(page.get_by_text("Send it to 11 people now?")).to_be_visible()
    page.get_by_role("button", name="Yes, send it").click()
    page.get_by_role("button", name="Pause Spring").click()
    expect(page.get_by_text("“Spring” is paused")).to_be_visible()
    page.get_by_role("button", name="Resume Spring").click()
    page.get_by_role("button", name="Copy Spring").click()
    expect(page.get_by_role("link", name="Copy of Spring")).to_be_visible()
    assert page.url.endswith(reverse("site:campaigns"))
    assert Campaign.objects.get(name="Spring").status == "active"


def test_the_list_is_searched_and_walked_by_keys(page: Page, site: str) -> None:
    for name in ("Spring", "Summer", "Autumn"):
        CampaignFactory(name=name)
    page.goto(f"{site}{reverse('site:campaigns')}")
    page.keyboard.press("/")
    page.keyboard.type("summ")
    expect(page.locator("a[data-row]")).to_have_text(["Summer"])
    page.locator("#q").fill("")
    expect(page.locator("a[data-row]")).to_have_count(3)
    page.locator("#q").blur()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Summer")).to_be_focused()
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Autumn")).to_be_focused()


def test_the_palette_opens_by_keys_and_leads_to_a_campaign(page: Page, site: str) -> None:
    campaign = CampaignFactory(name="Spring sale")
    lifecycle.activate(campaign)
    page.goto(f"{site}{reverse('site:campaigns')}")
    page.keyboard.press("Control+k")
    field = page.locator("#search-input-command")
    expect(field).to_be_focused()
    # The list behind it has a key "n" of its own, which must not begin a campaign now.
    field.blur()
    page.keyboard.press("n")
    field.focus()
    page.keyboard.type("spring sale")
    expect(page.locator("#command-results").get_by_text("Spring sale")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{reverse('site:campaign', args=[campaign.pk])}")


def test_a_running_campaign_is_paused_with_how_many_remain(page: Page, site: str) -> None:
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    page.goto(f"{site}{reverse('site:campaign', args=[campaign.pk])}")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Back").click()
    page.get_by_role("link", name="Pause").click()
    page.get_by_label("Why").fill("Wrong price")
    page.get_by_role("button", name="Pause the campaign").click()
    expect(page.get_by_text("Wrong price").first).to_be_visible()
    expect(page.get_by_role("link", name="Resume")).to_be_visible()
