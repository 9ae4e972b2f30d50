"""The main job in a browser: review, test, send, watch, look somebody up, read the mail, unsubscribe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from audience.models import Suppression
from campaigns import drafts
from campaigns.models import Campaign
from delivery.mailbox.store import MailboxStore
from delivery.message import unsubscribe_link
from delivery.tokens import Reference, make
from delivery.worker import Worker
from tests.factories import CampaignFactory, CustomerFactory, SegmentFactory, SuppressionFactory

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def working() -> Iterator[None]:
    """A worker beside the test, as `send_due --loop` runs beside the site."""
    over = threading.Event()

    def work() -> None:
        with Worker() as worker:
            worker.run_forever(over.wait)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def draft() -> Campaign:
    """A draft to twelve people, of whom one is suppressed; five have opted in to SMS as well."""
    CustomerFactory.create_batch(7, name="Ada Lovelace")
    CustomerFactory.create_batch(4, sms_subscribed=True)
    CustomerFactory(email="bounced@example.com", sms_subscribed=True)
    SuppressionFactory(email="bounced@example.com", reason=Suppression.Reason.HARD_BOUNCE)
    SegmentFactory(name="Subscribers")
    return CampaignFactory(name="Spring", segment=None, audience="all_subscribed")


def choose_the_segment(page: Page, site: str, campaign: Campaign) -> None:
    page.goto(f"{site}{reverse('delivery:compose_audience', args=[campaign.pk])}")
    page.get_by_text("Opted in to e-mail and SMS").click()
    expect(page.locator("[data-will-be-sent]")).to_have_text("4")
    page.get_by_text("A segment", exact=True).click()
    page.get_by_label("Segment", exact=True).select_option("Subscribers")
    expect(page.locator("[data-will-be-sent]")).to_have_text("11")
    expect(page.locator("#reach")).to_contain_text("Address bounced before")
    page.get_by_role("link", name="Review").click()


def send_a_test(page: Page) -> None:
    page.get_by_label("Rendered as").press_sequentially("customer")
    expect(page.locator("#customer-options option")).to_have_count(8)
    page.get_by_label("Rendered as").fill("")
    page.get_by_role("button", name="Send the test").click()
    expect(page.locator("#test-outcome")).to_contain_text("Sent to ada@example.org")


def send_live(page: Page) -> None:
    page.get_by_role("button", name="Send to 11 people").click()
    expect(page.get_by_text("Send “Spring” to 11 people now?")).to_be_visible()
    page.get_by_role("button", name="Yes, send it").click()
    expect(page.get_by_text("is activated")).to_be_visible()


def test_from_draft_to_unsubscribe(page: Page, site: str, mailbox: MailboxStore) -> None:
    campaign = draft()
    choose_the_segment(page, site, campaign)
    send_a_test(page)
    assert mailbox.count(campaign.pk) == 0
    send_live(page)
    with working():
        expect(page.locator(".badge").first).to_have_text("completed")
    expect(page.locator(".progress-sum")).to_have_text("11 sent, 0 failed")
    expect(page.get_by_text("11 of 11 sent").first).to_be_visible()
    expect(page.locator("[hx-trigger*=every]")).to_have_count(0)

    page.get_by_label("E-mail address").fill("bounced@example.com")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("[data-answer]")).to_have_text("No: address bounced before.")

    recipient = next(mailbox.recipients(campaign.pk))
    page.goto(f"{site}/mailbox/?q={recipient}")
    page.get_by_role("link", name=recipient).click()
    with page.expect_popup() as opened:
        page.frame_locator("iframe").get_by_role("link", name="Unsubscribe").click()
    unsubscribe = opened.value
    unsubscribe.get_by_role("button", name="Unsubscribe").click()
    expect(unsubscribe.get_by_text("You are unsubscribed")).to_be_visible()
    assert Suppression.objects.filter(email=recipient, reason="unsubscribe").exists()


def test_the_question_is_taken_back_and_what_changed_meanwhile_is_not_sent(page: Page, site: str) -> None:
    campaign = draft()
    page.goto(f"{site}/campaigns/{campaign.pk}/send/")
    page.get_by_role("button", name="Send to 11 people").click()
    page.get_by_role("button", name="Not yet").click()
    page.get_by_role("button", name="Send to 11 people").click()
    expect(page.get_by_role("button", name="Yes, send it")).to_be_visible()
    drafts.change(campaign, audience="both")
    page.get_by_role("button", name="Yes, send it").click()
    expect(page.get_by_text("The draft was changed after you looked at it")).to_be_visible()
    expect(page.get_by_role("button", name="Send to 4 people")).to_be_visible()


def test_unsubscribing_needs_no_javascript(browser: Browser, site: str) -> None:
    customer = CustomerFactory()
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(unsubscribe_link(make(Reference(customer.workspace_id, customer.pk, 1))))
    page.get_by_role("button", name="Unsubscribe").press("Enter")
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    customer.refresh_from_db()
    assert not customer.subscribed


def test_the_emptied_mailbox_asks_first(page: Page, site: str, mailbox: MailboxStore) -> None:
    mailbox.add("ada@example.com", "", b"Subject: Hello\r\n\r\nHello\r\n")
    page.goto(f"{site}/mailbox/")
    page.get_by_text("Empty the mailbox").click()
    page.get_by_role("button", name="Throw all away").click()
    expect(page.get_by_text("No mail yet")).to_be_visible()
    assert mailbox.count() == 0


@pytest.mark.parametrize("path", ["audience/", "content/", "schedule/", "send/", "why/", "progress/"])
def test_nothing_is_wider_than_a_phone(page: Page, site: str, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}/campaigns/{draft().pk}/{path}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
