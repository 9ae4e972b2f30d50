"""Panels of a sender's page: its limits in use, and the curve of a warm-up that is being typed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.forms import modelform_factory
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audience import zones
from campaigns.models import Sender, WarmUp
from delivery import limits, warm_up
from delivery.views.frame import staff_page

WarmUpForm = modelform_factory(WarmUp, fields=("first_day", "growth", "target"))
# Days of the curve that are shown before the last one.
SHOWN_DAYS = 7


@staff_page
@never_cache
@require_safe
def in_use(request: HttpRequest, pk: int) -> HttpResponse:
    """How far each limit of the sender is used up; says so when that cannot be told."""
    sender = get_object_or_404(Sender.objects.visible_to(request.user).select_related("workspace"), pk=pk)
    zones.show_in(sender.workspace)
    context: dict[str, Any] = {"sender": sender}
    try:
        uses = limits.limiter().uses(limits.rules([pk])[pk])
    except limits.LimiterUnavailable:
        context["is_unavailable"] = True
    else:
        now = timezone.now()
        context["uses"] = [(use, now + timedelta(seconds=use.wait) if use.wait else None) for use in uses]
    return render(request, "delivery/limits_in_use.html", context)


@staff_page
@require_safe
def warm_up_curve(request: HttpRequest) -> HttpResponse:
    """The days of a warm-up with the numbers in the form; nothing while they make no sense."""
    form = WarmUpForm(request.GET, prefix="warm_up-0")
    curve = form.instance.curve() if form.is_valid() else []
    days = list(enumerate(curve, start=1))
    shown = days if len(days) <= SHOWN_DAYS + 2 else days[:SHOWN_DAYS]
    context = {
        "days": days,
        "shown": shown,
        "last": days[-1:],
        "most_bounced": f"{warm_up.MOST_BOUNCED:.0%}",
        "most_complained": f"{warm_up.MOST_COMPLAINED:.1%}",
    }
    return render(request, "delivery/warm_up_curve.html", context)
