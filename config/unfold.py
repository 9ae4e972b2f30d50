"""The look of the site; its menu is config.menu."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def file(name: str) -> Any:
    return lambda request: static(f"drumbeat/{name}")


# Indigo ink on cool grey: calm, and readable in light and dark.
PRIMARY = {
    "50": "oklch(97% .014 264)",
    "100": "oklch(93.5% .03 265)",
    "200": "oklch(88% .058 266)",
    "300": "oklch(80% .097 268)",
    "400": "oklch(70% .14 270)",
    "500": "oklch(64% .16 271)",
    "600": "oklch(52% .18 273)",
    "700": "oklch(46% .165 274)",
    "800": "oklch(40% .14 275)",
    "900": "oklch(35% .11 276)",
    "950": "oklch(26% .08 277)",
}
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Drumbeat",
    "SITE_HEADER": "Drumbeat",
    "SITE_SYMBOL": "graphic_eq",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": file("favicon.svg")}],
    # The site is this one: nowhere else to go back to.
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "COLORS": {"primary": PRIMARY},
    "STYLES": [
        file(f"{name}.css")
        for name in ("drumbeat", "delivery", "reports", "flows", "criteria", "site", "audience")
    ],
    "DASHBOARD_CALLBACK": "analytics.views.site.home.context",
    "GLOBAL_CALLBACK": "config.menu.for_every_page",
    "COMMAND": {"search_callback": "analytics.views.site.palette.search"},
    "ACCOUNT": {
        "navigation": [
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
            {"title": _("Second factor"), "link": reverse_lazy("account:second_factor")},
        ]
    },
    "SIDEBAR": {
        "navigation": "config.menu.navigation",
        "show_search": True,
        "command_search": True,
    },
}
