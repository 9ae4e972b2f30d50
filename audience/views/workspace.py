"""Of which workspace a page of the audience or of the settings is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext

from audience import access, zones
from audience.models import Workspace, workspaces_visible_to


def chosen(request: HttpRequest) -> Workspace:
    """The workspace that ?workspace= asks for, else the first one; the page goes by its clock.

    One that the user does not see is as if it had not been asked for. Raises PermissionDenied for somebody
    who sees none.
    """
    sole = access.sole_workspace(request.user)
    asked = whole(request.GET.get("workspace"))
    seen = workspaces_visible_to(request.user)
    found = sole or (seen.filter(pk=asked).first() if asked else None) or seen.first()
    if found is None:
        raise PermissionDenied(gettext("Ask whoever runs this site to let you in."))
    zones.show_in(found)
    return found


def choices(
    request: HttpRequest, current: Workspace, address: Callable[[Workspace], str]
) -> list[dict[str, Any]]:
    """The workspaces to choose from, by the same page's address; none for somebody who sees one only."""
    if access.sole_workspace(request.user) is not None:
        return []
    return [
        {"label": seen.name, "url": address(seen), "is_on": seen.pk == current.pk}
        for seen in workspaces_visible_to(request.user)
    ]


def whole(text: str | None) -> int | None:
    """A number from an address; None for anything that an id cannot be."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else None
