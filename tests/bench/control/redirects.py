"""The control of `tracking`: the URLs of the site, and a view that only redirects."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("https://shop.example/albums/blue-train")


urlpatterns = [path("", include("delivery.urls")), path("bare", bare)]
