"""Who may open the marketers' pages of all apps, the frame around them, and how often anybody may look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from audience import throttle

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def staff_page(view: View[P]) -> View[P]:
    """Ask for a staff log-in first. A panel of a page that is open reloads the page, which then asks."""
    guarded = staff_member_required(view, login_url="admin:login")

    @wraps(view)
    def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if "HX-Request" in request.headers and not (request.user.is_active and request.user.is_staff):
            return HttpResponse(status=403, headers={"HX-Refresh": "true"})
        response: HttpResponseBase = guarded(request, *args, **kwargs)
        return response

    return page


def limited(rate: str, what: str) -> Callable[[View[P]], View[P]]:
    """Answer one address of the open Internet so often, in each process."""

    def around(view: View[P]) -> View[P]:
        @wraps(view)
        def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if throttle.may_here(rate, what, request.META.get("REMOTE_ADDR", "")):
                return view(request, *args, **kwargs)
            words = "Too many requests came from your address. Try again in a minute.\n"
            return HttpResponse(words, status=429, content_type="text/plain", headers={"Retry-After": "60"})

        return answer

    return around


def show(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """A whole page, in the frame of the admin."""
    return render(request, template, {**admin.site.each_context(request), **context})
