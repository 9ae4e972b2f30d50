"""The admin's part in Django's start: its site is made with the first page, not in every worker."""

from __future__ import annotations

from django.contrib.admin.apps import SimpleAdminConfig


class SiteConfig(SimpleAdminConfig):
    """Registers nothing at the start; config.urls does, which workers never import."""

    default_site = "unfold.sites.UnfoldAdminSite"
