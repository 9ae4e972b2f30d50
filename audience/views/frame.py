"""Who may open the marketers' pages of all apps, the frame around them, and how often anybody may look."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.text import slugify

from audience import throttle

if TYPE_CHECKING:
    from django.contrib.auth.models import User

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


def user_of(request: HttpRequest) -> User:
    """Who acts; these pages let nobody in who is not logged in."""
    return cast("User", request.user)


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_file(name: str, lines: Iterable[Iterable[Any]]) -> StreamingHttpResponse:
    """Lines as a CSV file, sent as they are read."""
    return StreamingHttpResponse(
        _encoded(lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{slugify(name) or "list"}.csv"'},
    )


def _encoded(lines: Iterable[Iterable[Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    # Without the mark at its beginning, Excel takes the file for an older encoding.
    yield "\ufeff"
    for line in lines:
        yield writer.writerow(line)
