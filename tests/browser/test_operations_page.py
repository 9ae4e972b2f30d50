"""The operations page in a browser: it looks again by itself, and everybody can read it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from campaigns import lifecycle
from campaigns.models import Campaign, Sender, SenderLimit
from delivery.heartbeats import BEAT, Kind, beat
from delivery.models import Circuit, Heartbeat, Progress, SendLog
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory
from tests.pages import LOOKS

pytestmark = pytest.mark.django_db(transaction=True)
Status = SendLog.Status
PANEL = "**/operations/panel/"


def row(campaign: Campaign, **columns: Any) -> None:
    customer = CustomerFactory()
    due_at = timezone.now() - timedelta(minutes=columns.pop("minutes", 0))
    sender = campaign.senders.first()
    common = {"workspace": campaign.workspace, "campaign": campaign, "sender": sender, "due_at": due_at}
    SendLog.objects.create(**common, customer=customer, email=customer.email, **columns)


def trouble() -> None:
    """One of everything that the page can show."""
    senders = [SenderFactory(name=name) for name in ("Limited", "Resting", "Stopped")]
    campaigns = [CampaignFactory(name=f"Campaign of {sender}", senders=[sender]) for sender in senders]
    for campaign in campaigns:
        lifecycle.activate(campaign)
        row(campaign, minutes=12)
    SenderLimit.objects.create(sender=senders[0], mails=50, period="hour")
    Circuit.objects.create(sender=senders[1], failures=4, retry_at=timezone.now(), error="421 closing")
    Sender.objects.filter(pk=senders[2].pk).update(state="stopped", last_error="535 wrong password")
    row(campaigns[0], status=Status.FAILED, reason=SendLog.Reason.REFUSED)
    row(campaigns[0], status=Status.SENDING, lease_until=timezone.now() - timedelta(minutes=1))
    Progress.objects.update_or_create(campaign=campaigns[0], defaults={"failed": 1, "unknown": 2})
    beat(BEAT, Kind.SCHEDULER)
    beat("mail1.example.org-4711", Kind.WORKER, "sending campaign 12")
    Heartbeat.objects.filter(pk=BEAT).update(seen_at=timezone.now() - timedelta(hours=1))


def hide(page: Page, state: str) -> None:
    """What a browser does when the tab goes to the background or comes back."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


def test_it_looks_again_by_itself_while_somebody_looks(page: Page, site: str) -> None:
    page.clock.install()
    page.goto(f"{site}/operations/")
    expect(page.get_by_text("No worker and no scheduler has given a sign")).to_be_visible()
    beat("host-1", Kind.WORKER)
    page.clock.fast_forward(6_000)
    expect(page.get_by_text("host-1")).to_be_visible()

    asked: list[str] = []
    hide(page, "hidden")
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(60_000)
    beat("host-2", Kind.WORKER)
    assert asked == []
    hide(page, "visible")
    expect(page.get_by_text("host-2")).to_be_visible()


def test_a_site_that_is_away_makes_the_page_say_that_it_is_old(page: Page, site: str) -> None:
    page.clock.install()
    page.goto(f"{site}/operations/")
    old = page.get_by_text("The site does not answer. What you see is old")
    expect(old).to_be_hidden()
    page.route(PANEL, lambda route: route.abort())
    page.clock.fast_forward(6_000)
    expect(old).to_be_visible()
    page.unroute(PANEL)
    page.clock.fast_forward(6_000)
    expect(old).to_be_hidden()


def test_the_keyboard_stays_where_it_was(page: Page, site: str) -> None:
    trouble()
    page.clock.install()
    page.goto(f"{site}/operations/")
    link = page.get_by_role("link", name="Limited", exact=True)
    link.focus()
    with page.expect_response(PANEL):
        page.clock.fast_forward(6_000)
    expect(link).to_be_focused()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everybody_can_read_it(page: Page, site: str, scheme: Any, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    trouble()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{site}/operations/")
    expect(page.get_by_text("Circuit open")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = axe.run(page, context="#operations").response["violations"]
    assert [(problem["id"], [node["html"] for node in problem["nodes"]]) for problem in found] == []
