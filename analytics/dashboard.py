"""The home page: where things stand, and the first steps on a new site. Reads little, whatever the size."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from audience import access
from audience.models import Customer, Segment, Suppression, workspaces_visible_to
from campaigns import schedule
from campaigns.models import Campaign, Sender, Template
from delivery.models import Progress

# Counting stops here; an index answers it in hundredths of a second.
CAP = 100_000
SHOWN_CAMPAIGNS = 8


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows to its context. Unfold calls it (UNFOLD["DASHBOARD_CALLBACK"])."""
    models: list[Any] = [Customer, Segment, Template, Suppression, Sender, Campaign]
    seen = {model: model.objects.visible_to(request.user) for model in models}
    counts = {model: capped(rows) for model, rows in seen.items()}
    return context | {
        "title": "Home",
        "has_workspace": access.may_view(request.user),
        "tiles": [_tile(model, counts[model]) for model in (Customer, Segment, Template, Suppression)],
        "campaigns": _campaigns(seen[Campaign]),
        "steps": [] if counts[Campaign] != "0" else _first_steps(request, counts),
        "may_edit": access.may_edit(request.user),
    }


def capped(rows: QuerySet[Any]) -> str:
    """How many rows there are, in words that cost no more than counting CAP of them."""
    number = rows.order_by()[: CAP + 1].count()
    return f"{number:,}" if number <= CAP else f"{CAP:,}+"


def _tile(model: type[Model], count: str) -> dict[str, Any]:
    options = model._meta
    url = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    return {"label": str(options.verbose_name_plural).capitalize(), "count": count, "url": url}


def _campaigns(seen: QuerySet[Campaign]) -> list[dict[str, Any]]:
    """The latest campaigns with how far they are: two queries."""
    latest = list(seen.select_related("workspace").order_by("-id")[:SHOWN_CAMPAIGNS])
    sums = Progress.objects.in_bulk([campaign.pk for campaign in latest])
    now = timezone.now()
    return [
        {
            "campaign": campaign,
            "start": schedule.start_on_clock(campaign) if schedule.is_scheduled(campaign, now) else None,
            "progress": sums.get(campaign.pk),
        }
        for campaign in latest
    ]


def _first_steps(request: HttpRequest, counts: dict[Any, str]) -> list[dict[str, Any]]:
    """What to do on a new site, in order, each with whether it is done."""
    if not workspaces_visible_to(request.user).exists():
        hint = "Its name, time zone and postal address. All else follows."
        return [_step("Name your brand", hint, "audience_workspace_add", False)]
    steps = [
        (
            Customer,
            "Import your customers",
            "A CSV file of addresses.",
            "audience_customerimport_add",
        ),
        (Segment, "Make a segment", "Say who should get the mail.", "audience_segment_add"),
        (Sender, "Set up a sender", "The local mailbox is fine for a try.", "campaigns_sender_add"),
        (Template, "Write a template", "What the mail says, with merge fields.", "campaigns_template_add"),
        (Campaign, "Send a campaign", "Test it, look at the numbers, then send.", "campaigns_campaign_add"),
    ]
    return [_step(title, hint, view, counts[model] != "0") for model, title, hint, view in steps]


def _step(title: str, hint: str, view: str, done: bool) -> dict[str, Any]:
    return {"title": title, "hint": hint, "url": reverse(f"admin:{view}"), "done": done}
