"""Between the log-in and the pages: whoever has a second factor and has not shown it yet is nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode

from audience.accounts import second_factor

HALF = "user_without_second_factor"


class SecondFactorMiddleware:
    """Comes after django-otp's.

    For every page `request.user` is anonymous until the second factor was shown, whichever way somebody
    came in by password; so a page that asks only for a log-in needs to know nothing of this.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user: Any = request.user
        request.user = SimpleLazyObject(lambda: _whole(request, user))  # type: ignore[assignment]
        request.auser = sync_to_async(lambda: _whole(request, user))
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Lead from the log-in page on to the second factor."""
        match = request.resolver_match
        if match is None or match.view_name != "admin:login" or request.method != "GET":
            return None
        half = half_of(request)
        if half is None:
            return None
        page = "account:verify" if second_factor.is_on(half) else "account:set_up"
        return redirect(f"{reverse(page)}?{urlencode({'next': request.GET.get('next', '')})}")


def half_of(request: HttpRequest) -> Any:
    """Who has shown a password alone, where more is asked for; None for everybody else."""
    return getattr(request, HALF, None) if not request.user.is_authenticated else None


def _whole(request: HttpRequest, user: Any) -> Any:
    if not user.is_authenticated or user.is_verified():
        return user
    if not settings.SECOND_FACTOR_REQUIRED and not second_factor.is_on(user):
        return user
    setattr(request, HALF, user)
    nobody: Any = AnonymousUser()
    nobody.otp_device, nobody.is_verified = None, lambda: False
    return nobody
