"""What somebody sees who has entered wrong passwords too often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext


def address(request: HttpRequest) -> str:
    """Whose failures are counted together; config.web has seen to proxies."""
    return str(request.META.get("REMOTE_ADDR", ""))


def page(request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any]) -> HttpResponse:
    """Say when the account is open again to this address."""
    attempts = AccessAttempt.objects.filter(
        username=(credentials or {}).get("username", ""), ip_address=address(request)
    )
    last = attempts.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    until = (last or timezone.now()) + cool_off
    seconds = max(1, int((until - timezone.now()).total_seconds()))
    context = {**admin.site.each_context(request), "title": gettext("Too many attempts"), "until": until}
    answer = render(request, "account/locked.html", context, status=429)
    answer.headers["Retry-After"] = str(seconds)
    return answer
