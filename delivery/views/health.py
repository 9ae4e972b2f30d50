"""For monitors and load balancers, without a log-in: does the site do its work, does this process live?"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from delivery.health import health as state_of_health


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """200 while the site can do its work, ok or degraded; 503 when it cannot."""
    status, checks = state_of_health()
    return JsonResponse({"status": status, "checks": checks}, status=503 if status == "down" else 200)


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Always 200: this process answers. Asks nothing of anybody."""
    return JsonResponse({"status": "ok"})
