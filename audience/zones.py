"""The time zone in which a page shows its times."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audience.access import sole_workspace
from audience.models import Workspace


class TimeZoneMiddleware:
    """Begin every request in the zone of the user's only workspace, else in UTC.

    A page about one object goes on to `show_in(its workspace)`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # A thread keeps the zone of the request before.
        timezone.deactivate()
        # Pages for people without a log-in, and static files, ask for no user.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            sole = sole_workspace(request.user)
            if sole is not None:
                show_in(sole)
        return self.get_response(request)


def show_in(workspace: Workspace) -> None:
    """Show the times of this page by the workspace's clock."""
    timezone.activate(workspace.zone)
