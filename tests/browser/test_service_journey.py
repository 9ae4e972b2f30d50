"""An e-mail service in a browser: its key, a test, a campaign, and a bounce that suppresses the address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from campaigns.models import Campaign, Sender
from delivery.models import SendLog
from tests.browser.conftest import reload_until
from tests.browser.test_send_journey import working
from tests.delivery.webhooks import SAMPLES
from tests.delivery.webhooks.sample import filled
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory
from tests.http_stub import KEY, HttpStub

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpStub]:
    """Asked for first: beside the browser's event loop no other can be started."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with HttpStub() as running:
        yield running


def add_sender(page: Page, site: str, stub: HttpStub) -> Sender:
    page.goto(f"{site}/admin/campaigns/sender/add/")
    page.fill("[name=name]", "News")
    page.fill("[name=from_email]", "news@acme.example")
    page.select_option("[name=transport]", "esp")
    page.select_option("[name=esp]", "postmark")
    page.fill("[name=postmark_server_token]", KEY)
    page.fill("[name=api_url]", stub.url("postmark"))
    page.get_by_role("button", name="Save", exact=True).click()
    sender: Sender = Sender.objects.get()
    page.goto(f"{site}/admin/campaigns/sender/{sender.pk}/change/")
    return sender


def test_from_the_key_to_a_suppressed_address(stub: HttpStub, page: Page, site: str) -> None:
    SenderFactory().delete()  # The brand, which the site asks for first.
    sender = add_sender(page, site, stub)
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("The service knows the key. The sender is ready")).to_be_visible()
    page.get_by_label("Send it to").fill("ada@example.org")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#test-outcome")).to_contain_text("Sent to ada@example.org")
    page.get_by_role("button", name="Make its address").click()
    address = page.get_by_label("Address for reports").input_value()
    CustomerFactory.create_batch(3)
    campaign = CampaignFactory(name="Spring", segment=None, audience="all_subscribed", senders=[sender])
    page.goto(f"{site}/campaigns/{campaign.pk}/send/")
    page.get_by_role("button", name="Send to 3 people").click()
    page.get_by_role("button", name="Yes, send it").click()
    with working():
        expect(page.get_by_text("3 of 3 sent", exact=True)).to_be_visible()
        row = SendLog.objects.order_by("pk")[0]
        report(address, row)
        page.goto(f"{site}/customers/{row.customer_id}/mails/")
        reload_until(page, "bounced")
    sent_to = SendLog.objects.values_list("email", flat=True)
    assert stub.accepted[0] == "ada@example.org"
    assert sorted(stub.accepted[1:]) == sorted(sent_to)
    assert Campaign.objects.get().status == Campaign.Status.COMPLETED
    # The next campaign leaves the address out and says so.
    following = CampaignFactory(name="Summer", segment=None, audience="all_subscribed", senders=[sender])
    page.goto(f"{site}/campaigns/{following.pk}/send/")
    expect(page.locator("[data-will-be-sent]")).to_have_text("2")
    expect(page.locator("#reach")).to_contain_text("Address bounced before")
    page.goto(f"{site}/admin/campaigns/sender/{sender.pk}/change/")
    expect(page.get_by_text("The last report came in")).to_be_visible()


def report(address: str, row: SendLog) -> None:
    """Post what Postmark posts when a mailbox does not exist."""
    sample = next(
        sample for sample in SAMPLES if sample.service == "postmark" and sample.reason == "hard_bounce"
    )
    payload = filled(sample.payload, row.pk, row.email, row.provider_id)
    assert requests.post(address, json=payload, timeout=10).status_code == 200
