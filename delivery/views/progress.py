"""How far a campaign is: a panel that refreshes itself while there is something to see."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from campaigns import schedule
from campaigns.models import Campaign
from delivery import breaker, progress
from delivery.models import Progress
from delivery.pace import Estimate, expected_end
from delivery.views.frame import find_campaign, staff_page

SECONDS = 2
# While the start lies ahead there is only the start to wait for.
SECONDS_BEFORE_START = 30
# The share of the latest measurement in the pace that is shown; the rest is what was shown before.
SMOOTHING = 0.4


@dataclass(frozen=True)
class Pace:
    """How fast mails leave, measured from one poll to the next; the browser carries it between them."""

    at: float
    handed_over: int
    per_second: float

    @classmethod
    def carried_by(cls, query: QueryDict) -> Self | None:
        try:
            at, handed_over, per_second = (str(query[name]) for name in ("at", "handed_over", "per_second"))
            pace = cls(float(at), int(handed_over), float(per_second))
        except (KeyError, ValueError):
            return None
        return pace if math.isfinite(pace.at) and math.isfinite(pace.per_second) else None

    @classmethod
    def measured(cls, before: Self | None, now: float, handed_over: int) -> Self:
        """The pace after another poll; a first poll, or one at the same moment, tells nothing new."""
        if before is None or now <= before.at:
            return cls(now, handed_over, before.per_second if before else 0.0)
        latest = max(handed_over - before.handed_over, 0) / (now - before.at)
        known = before.per_second or latest
        return cls(now, handed_over, known + SMOOTHING * (latest - known))


@staff_page
@never_cache
@require_safe
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel, or with ?compact=1 a cell for a list. Reads one row of sums, never the ledger."""
    campaign = find_campaign(request, pk)
    if request.GET.get("status", campaign.status) != campaign.status:
        # The page around the panel speaks of, and has buttons for, the status as it was.
        return HttpResponse(headers={"HX-Refresh": "true"})
    compact = request.GET.get("compact") == "1"
    template = "delivery/progress_cell.html" if compact else "delivery/progress_panel.html"
    return render(request, template, panel_context(campaign, request.GET, compact=compact))


def panel_context(campaign: Campaign, query: QueryDict, *, compact: bool = False) -> dict[str, Any]:
    """What the panel's template needs; pages that hold the panel from the start call it too."""
    sums = progress.of(campaign.pk)
    scheduled = schedule.is_scheduled(campaign, timezone.now())
    handed_over = sums.sent + sums.failed + sums.unknown
    is_active = campaign.status == Campaign.Status.ACTIVE
    pace = Pace.measured(Pace.carried_by(query), time.time(), handed_over)
    carried = vars(pace) | {"status": campaign.status} | ({"compact": 1} if compact else {})
    return {
        "campaign": campaign,
        "progress": sums,
        "status": "scheduled" if scheduled else campaign.status,
        "start": schedule.start_on_clock(campaign) if scheduled else None,
        "percent": percent(sums, campaign),
        "numbers": _numbers(campaign, sums),
        "pace": pace,
        "time_left": time_left(sums.remaining, pace.per_second) if sums.filled_at else "",
        "estimate": Estimate() if compact or scheduled else expected_end(campaign, sums, pace.per_second),
        "resting": list(breaker.resting(campaign)) if is_active and not compact else [],
        "is_active": is_active,
        "sending_is_off": not settings.ENABLE_EMAIL_SCHEDULER,
        "poll_url": f"{reverse('delivery:campaign_progress', args=[campaign.pk])}?{urlencode(carried)}",
        "poll_seconds": SECONDS_BEFORE_START if scheduled else SECONDS,
    }


def time_left(remaining: int, per_second: float) -> str:
    """How long it will take at this pace, in words; empty when nobody can tell."""
    if remaining <= 0 or per_second <= 0:
        return ""
    minutes = remaining / per_second / 60
    if minutes < 1:
        return gettext("less than a minute left")
    if minutes < 90:
        return gettext("about {number} minutes left").format(number=math.ceil(minutes))
    return gettext("about {number} hours left").format(number=math.ceil(minutes / 60))


def percent(sums: Progress, campaign: Campaign) -> int:
    """Whole per cent, 100 only when all is done: of a flow, whose next mails nobody knows, at its end."""
    if not sums.matched:
        return 100 if campaign.finished_at else 0
    if campaign.flow_id and not campaign.finished_at:
        return min(sums.done * 100 // sums.matched, 99)
    return sums.done * 100 // sums.matched


def _numbers(campaign: Campaign, sums: Progress) -> list[dict[str, Any]]:
    """Each number with the people behind it, to be exported; the unknown ones where they can be settled."""
    people = reverse("analytics:people", args=[campaign.pk])
    unknown = reverse("delivery:unknown", args=[campaign.pk])
    shown = [
        (gettext("Sent"), sums.sent, "sent"),
        (gettext("Failed"), sums.failed, "failed"),
        (gettext("Not sent"), sums.suppressed, "suppressed"),
        (gettext("Unknown"), sums.unknown, "unknown"),
        (gettext("Cancelled"), sums.cancelled, "cancelled"),
        (gettext("Remaining"), sums.remaining, "waiting"),
    ]
    return [
        {
            "label": label,
            "value": value,
            "url": unknown if number == "unknown" else f"{people}?{urlencode({'number': number})}",
        }
        for label, value, number in shown
        if value or number in ("sent", "failed", "waiting")
    ]
