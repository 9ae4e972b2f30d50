"""URLs of the whole site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.decorators.cache import cache_control
from django.views.generic import RedirectView
from django.views.i18n import JavaScriptCatalog

from analytics.urls import site
from audience.urls import site as audience
from audience.views import account
from config.api import api

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    # The words of the scripts in static/, in the language of the installation.
    path("words.js", cache_control(max_age=3600)(JavaScriptCatalog.as_view()), name="words"),
    path("account/", include("audience.urls")),
    # By this name the log-in page looks for the way to a new password.
    path("account/password/", account.ResetView.as_view(), name="admin_password_reset"),
    path("", include(audience)),
    path("", include("campaigns.urls")),
    path("", include("delivery.urls")),
    path("", include(site)),
    path("reports/", include("analytics.urls")),
    path("api/", api.urls),
]
