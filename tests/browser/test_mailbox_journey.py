"""A mailbox in a browser: connect, test, send, lose the permission, reconnect, and the rest goes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from campaigns.models import Campaign, Grant, Sender
from delivery.models import SendLog
from tests.browser.conftest import reload_until
from tests.browser.test_send_journey import working
from tests.delivery.connected import STUBS, connected, unconnected
from tests.delivery.test_take_report import bounce
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory
from tests.google_stub import GoogleStub
from tests.microsoft_stub import MicrosoftStub
from tests.pages import LOOKS

pytestmark = pytest.mark.django_db(transaction=True)
Stub = GoogleStub | MicrosoftStub
LABELS = {"gmail": "Google", "microsoft": "Microsoft"}


@pytest.fixture(params=STUBS)
def stub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """Asked for first: beside the browser's event loop no other can be started."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with STUBS[request.param]() as running:
        yield running


def sender_page(page: Page, site: str, sender: Sender) -> None:
    page.goto(f"{site}/admin/campaigns/sender/{sender.pk}/change/")


def connect(page: Page, sender: Sender, button: str) -> None:
    page.get_by_role("button", name=f"{button} with {LABELS[sender.transport]}").click()
    expect(page.get_by_role("heading", name="Drumbeat wants to send mail")).to_be_visible()
    page.get_by_role("link", name="Allow").click()
    expect(page.get_by_text(f"The mailbox {sender.from_email} is connected.")).to_be_visible()


def add_sender(page: Page, site: str, stub: Stub, settings: Settings) -> Sender:
    """Make the sender by hand, as somebody new does."""
    own = unconnected(stub, settings)
    transport = own.transport
    own.delete()
    page.goto(f"{site}/admin/campaigns/sender/add/")
    page.fill("[name=name]", "Ada")
    page.fill("[name=from_email]", stub.account)
    page.select_option("[name=transport]", transport)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("This mailbox has to be connected.")).to_be_visible()
    sender: Sender = Sender.objects.get()
    return sender


def test_from_connecting_to_the_last_mail_with_the_permission_lost_in_between(
    stub: Stub, page: Page, site: str, settings: Settings
) -> None:
    SenderFactory().delete()  # The brand, which the site asks for first.
    sender = add_sender(page, site, stub, settings)
    connect(page, sender, "Connect")
    expect(page.get_by_text("connected", exact=True)).to_be_visible()
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("answered and knows the mailbox. The sender is ready.")).to_be_visible()
    # Four mails at two seconds' distance.
    CustomerFactory.create_batch(4)
    campaign = CampaignFactory(name="Spring", segment=None, audience="all_subscribed", senders=[sender])
    page.goto(f"{site}/campaigns/{campaign.pk}/send/")
    page.get_by_role("button", name="Send the test").click()
    expect(page.locator("#test-outcome")).to_contain_text("Sent to ada@example.org")
    assert stub.accepted == ["ada@example.org"]
    # With the test, and the first two of the four.
    stub.ends_after = 3
    page.get_by_role("button", name="Send to 4 people").click()
    page.get_by_role("button", name="Yes, send it").click()
    expect(page.get_by_text("is activated")).to_be_visible()
    with working():
        expect(page.locator(".badge", has_text="paused")).to_be_visible()
        expect(page.get_by_text("A mailbox needs reconnecting").first).to_be_visible()
        sender_page(page, site, sender)
        expect(page.get_by_text("needs reconnecting", exact=True)).to_be_visible()
        connect(page, sender, "Reconnect")
        expect(page.get_by_text("1 campaign goes on.")).to_be_visible()
        page.goto(f"{site}/campaigns/{campaign.pk}/send/")
        expect(page.get_by_text("4 of 4 sent", exact=True)).to_be_visible()
    assert Campaign.objects.get().status == Campaign.Status.COMPLETED
    assert sorted(stub.accepted[1:]) == sorted(SendLog.objects.values_list("email", flat=True))
    a_mail_comes_back(page, site, stub, sender)
    disconnect(page, site, sender)


def a_mail_comes_back(page: Page, site: str, stub: Stub, sender: Sender) -> None:
    """Into the mailbox; whom it could not reach is suppressed."""
    row = SendLog.objects.order_by("pk")[0]
    stub.received = [(timezone.now(), bounce(row, "failed", "5.1.1", "550 5.1.1 no such user"))]
    Grant.objects.update(may_look_up=True, returns_due_at=timezone.now())
    with working():
        sender_page(page, site, sender)
        expect(page.get_by_text("come back into this mailbox")).to_be_visible()
        page.goto(f"{site}/customers/{row.customer_id}/mails/")
        reload_until(page, "bounced")
    page.goto(f"{site}/admin/audience/suppression/?q={row.email}")
    expect(page.get_by_text("Hard bounce").first).to_be_visible()


def disconnect(page: Page, site: str, sender: Sender) -> None:
    sender_page(page, site, sender)
    page.get_by_role("link", name="Disconnect…").click()
    expect(page.get_by_role("link", name="Back")).to_be_focused()
    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_text("The mailbox is disconnected").first).to_be_visible()
    expect(page.get_by_role("button", name=f"Connect with {LABELS[sender.transport]}")).to_be_visible()


@pytest.mark.parametrize("stub", ["microsoft"], indirect=True)
def test_a_permission_that_is_not_given_is_said_on_the_senders_page(
    stub: Stub, page: Page, site: str, settings: Settings
) -> None:
    sender = unconnected(stub, settings)
    sender_page(page, site, sender)
    page.get_by_role("button", name=f"Connect with {LABELS[sender.transport]}").click()
    page.get_by_role("link", name="Deny").click()
    expect(page.get_by_text("the permission was not given")).to_be_visible()


@pytest.mark.parametrize("stub", ["gmail"], indirect=True)
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everybody_can_read_it(
    stub: Stub, page: Page, site: str, settings: Settings, scheme: Any, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    sender = connected(stub, settings, state="reconnect", last_error="The permission was taken back.")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    for path, shown in (
        (f"/admin/campaigns/sender/{sender.pk}/change/", "Reconnect with"),
        (f"/senders/{sender.pk}/disconnect/", "Nothing is sent through this mailbox"),
    ):
        page.goto(site + path)
        expect(page.get_by_text(shown)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        found = axe.run(page, context=".delivery").response["violations"]
        assert [(problem["id"], [node["html"] for node in problem["nodes"]]) for problem in found] == []
