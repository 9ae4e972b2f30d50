"""URLs of the whole site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from analytics.urls import site
from audience.urls import site as audience
from audience.views import account
from config.api import api

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
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
