"""Every page of the site that somebody can open, with something on it, for the tests that walk them."""

from __future__ import annotations

from collections.abc import Iterator

from django.test import Client
from django.utils import timezone

from audience.models import Workspace
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.models import Progress, SendLog
from tests.factories import (
    AttributeFactory,
    CampaignFactory,
    CustomerFactory,
    SegmentFactory,
    SenderFactory,
    SuppressionFactory,
    TemplateFactory,
)
from tests.test_workspace_wall import routes, urls_of
from tests.world import World

# As what pages are looked at; all pages together are looked at in both widths light and dark.
LOOKS = [(1440, "light"), (390, "dark")]
# Left aside: they end or begin a session, or answer other questions than a page asks.
NO_PAGES = ("/admin/logout/", "/admin/login/", "/admin/jsi18n/", "/admin/autocomplete/")


def addresses(world: World, draft: Campaign) -> list[str]:
    """Every address that can be opened, of the other workspace's things, and the steps of a draft."""
    known = sorted({url for route in routes() for url in urls_of(route, world)})
    known += [f"/campaigns/{draft.pk}/{step}/" for step in ("audience", "content", "schedule", "send")]
    known.append(f"/campaigns/{draft.pk}/start/")
    return [url for url in known if url not in NO_PAGES]


def pages(client: Client, urls: list[str]) -> Iterator[tuple[str, str]]:
    """Those that answer with a whole page."""
    for url in urls:
        response = client.get(url)
        is_page = response.status_code == 200 and "text/html" in response["Content-Type"]
        if is_page and not response.streaming and b"<html" in response.content:
            yield url, response.content.decode()


def more(workspace: Workspace, number: int) -> None:
    """More of everything that a page may show a list of."""
    for n in range(number):
        customer = CustomerFactory(workspace=workspace)
        AttributeFactory(workspace=workspace, name=f"more_{customer.pk}")
        SuppressionFactory(workspace=workspace, email=f"out{customer.pk}@example.com")
        SegmentFactory(workspace=workspace)
        sender = SenderFactory(workspace=workspace, state=("ready", "stopped")[n % 2])
        template = TemplateFactory(workspace=workspace)
        for status in ("active", "paused", "completed", "failed"):
            campaign = CampaignFactory(workspace=workspace, template=template, senders=[sender])
            Campaign.objects.filter(pk=campaign.pk).update(
                status=status, activated_at=timezone.now(), finished_at=timezone.now()
            )
            lifecycle.note(campaign, None, "Made for a test.")
            Progress.objects.create(campaign=campaign, matched=9, sent=3, unknown=1)
            SendLog.objects.create(
                workspace=workspace,
                campaign=campaign,
                customer=customer,
                sender=sender,
                email=customer.email,
                status="unknown",
                due_at=timezone.now(),
            )
