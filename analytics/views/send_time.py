"""The panel on the schedule that suggests a start, with the reason and what it is worth."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics.models import SendProfile
from analytics.send_time import history
from analytics.send_time.suggest import State, Suggestion, suggest
from audience import access
from campaigns.models import Campaign
from delivery.views.frame import find_campaign, staff_page

NAMED_HOURS = (0, 6, 12, 18)


@staff_page
@never_cache
@require_safe
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """What to suggest for a draft; saving it is the schedule's own door (delivery:send_schedule)."""
    campaign = find_campaign(request, pk)
    suggestion = suggest(campaign, timezone.now())
    is_draft = campaign.status == Campaign.Status.DRAFT
    context = {
        "campaign": campaign,
        "suggestion": suggestion,
        "state": suggestion.state.value,
        "profile": suggestion.profile,
        "may_schedule": is_draft and access.may_edit(request.user, campaign.workspace_id),
        "day": date_format(suggestion.start, "l"),
        "is_chosen": suggestion.start == suggestion.chosen,
        "at_once": campaign.start_date is None,
        "worth": in_words(suggestion),
        **_own_gain(suggestion.profile),
        "bars": _bars(suggestion),
        "weeks": history.WEEKS,
    }
    return render(request, "analytics/send_time.html", context)


def in_words(suggestion: Suggestion) -> str:
    """What the suggestion is worth against the chosen start, with its doubt."""
    if suggestion.state != State.BETTER:
        return ""
    low, high = percent(suggestion.low), percent(suggestion.high)
    gain = percent(suggestion.gain)
    if suggestion.low > 0:
        return gettext("about {gain} more clicks and opens, between {low} and {high}").format(
            gain=gain, low=low, high=high
        )
    return gettext(
        "perhaps {gain} more clicks and opens; it may be anything between {low} and {high}"
    ).format(gain=gain, low=low, high=high)


def _own_gain(profile: SendProfile | None) -> dict[str, str]:
    """What own hours gain: all that people's habits promise, and only as much of it as starts have shown."""
    if profile is None:
        return {}
    shown = (1 + profile.own_gain) ** min(max(profile.comes_true, 0), 1) - 1
    return {"own_low": percent(shown), "own_high": percent(profile.own_gain)}


def percent(share: float) -> str:
    return f"{round(share * 100):d} %".replace("-", "−")


def _bars(suggestion: Suggestion) -> list[dict[str, Any]]:
    """A bar for each hour of the suggested day."""
    return [
        {
            "hour": f"{hour:02d}:00",
            "percent": round(share * 100),
            "is_best": hour == suggestion.start.hour,
            "named": f"{hour:02d}" if hour in NAMED_HOURS else "",
        }
        for hour, share in enumerate(suggestion.hours)
    ]
