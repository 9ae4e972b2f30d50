"""The marketers' pages on a desk and a phone, light and dark: axe finds nothing, and no script fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from analytics import roll_up
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.models import Progress
from tests.analytics.sample import Sample
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    MembershipFactory,
    SenderFactory,
    SuppressionFactory,
    TemplateFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)

DOUBTFUL = (
    '<h1>Hello {{ customer_name }}</h1><a href="shop.example">Shop</a><img src="https://a.example/a.png">'
)


@pytest.fixture
def addresses() -> list[str]:
    """Pages with something of everything on them: drafts, campaigns in every state, doubts and decisions."""
    sample = Sample(people=60)
    ended = sample.campaign("Ended", 3, charm=2)
    shared = {
        "workspace": sample.workspace,
        "senders": sample.senders,
        "audience": "all_subscribed",
        "segment": None,
    }
    template = TemplateFactory(workspace=sample.workspace, body=DOUBTFUL)
    tomorrow = (timezone.now() + timedelta(days=2)).date()
    draft = CampaignFactory(name="Draft", template=template, clock="customer", start_date=tomorrow, **shared)
    broken = CampaignFactory(name="Broken", **{**shared, "template": None, "senders": []})
    running, paused = (started(name, 5000, 1786, **shared) for name in ("Running", "Paused"))
    lifecycle.pause(paused, reason="Wrong price")
    CustomerFactory(workspace=sample.workspace, time_zone="Asia/Tokyo")
    SenderFactory(workspace=sample.workspace, state="stopped", last_error="Wrong password")
    roll_up.run()
    steps = [f"/campaigns/{draft.pk}/{step}/" for step in ("audience", "content", "schedule", "send")]
    live = [f"/campaigns/{campaign.pk}/" for campaign in (ended, running, paused)]
    others = [f"/campaigns/{broken.pk}/send/", f"/campaigns/{running.pk}/steer/pause/", "/campaigns/new/"]
    person = max(sample.customers, key=lambda customer: customer.pk)
    SuppressionFactory(workspace=sample.workspace, email=person.email)
    audience = [
        "/customers/",
        "/customers/?q=nothing",
        f"/customers/{person.pk}/",
        f"/customers/{person.pk}/edit/",
    ]
    MembershipFactory(workspace=sample.workspace)
    MembershipFactory(workspace=sample.workspace, role="editor")
    settings = [f"/settings/{sample.workspace.pk}/{page}" for page in ("", "members/", "mailing/")]
    return ["/admin/", "/campaigns/", "/campaigns/?q=nothing", *steps, *live, *others, *audience, *settings]


def started(name: str, matched: int, sent: int, **columns: Any) -> Campaign:
    campaign: Campaign = CampaignFactory(name=name, **columns)
    lifecycle.activate(campaign)
    moment = campaign.activated_at
    Progress.objects.create(
        campaign=campaign, matched=matched, sent=sent, failed=3, unknown=2, filled_at=moment
    )
    return campaign


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_everybody_can_use_them(page: Page, site: str, addresses: list[str], scheme: Any, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    problems: list[Any] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    for address in addresses:
        page.goto(f"{site}{address}")
        page.wait_for_load_state("networkidle")
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            problems.append((address, "is wider than the window"))
        found = axe.run(page, context=".delivery").response["violations"]
        problems += [(address, each["id"], [node["html"] for node in each["nodes"]]) for each in found]
    assert problems == []
