"""The settings of a workspace: read by its members, changed by its owners."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from audience import access, workspace_settings, zones
from audience.models import ContactPolicy, Workspace, workspaces_visible_to
from audience.views import workspace as workspaces
from audience.views.frame import show, staff_page

TABS = (
    (_("General"), "general"),
    (_("Members"), "members"),
    (_("Sending hours and caps"), "mailing"),
)


class GeneralForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Workspace
        fields = workspace_settings.GENERAL


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = ContactPolicy
        fields = workspace_settings.POLICY


@staff_page
@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    """To the settings of the workspace at hand."""
    return redirect("audience:general", workspaces.chosen(request).pk)


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def general(request: HttpRequest, pk: int) -> HttpResponse:
    """What the workspace is called, its address and its clock."""
    workspace = find(request, pk)
    form = GeneralForm(request.POST or None, instance=Workspace.objects.get(pk=pk))
    if _saved(request, workspace, form, workspace_settings.change):
        return redirect("audience:general", pk)
    zone_names = sorted(available_timezones())
    return page(request, workspace, "general", {"form": form, "zones": zone_names}, invalid=bool(form.errors))


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def mailing(request: HttpRequest, pk: int) -> HttpResponse:
    """How often, and in which hours, people may be mailed."""
    workspace = find(request, pk)
    form = PolicyForm(request.POST or None, instance=workspace_settings.policy_of(workspace))
    if _saved(request, workspace, form, workspace_settings.change_policy):
        return redirect("audience:mailing", pk)
    return page(request, workspace, "mailing", {"form": form}, invalid=bool(form.errors))


def find(request: HttpRequest, pk: int) -> Workspace:
    """The workspace, if the user may see it; else 404. To change anything takes an owner, else 403."""
    found = get_object_or_404(workspaces_visible_to(request.user), pk=pk)
    if request.method == "POST" and not access.owns(request.user, pk):
        raise PermissionDenied("Only an owner may change the settings.")
    zones.show_in(found)
    return found


def page(
    request: HttpRequest, workspace: Workspace, tab: str, context: dict[str, Any], *, invalid: bool = False
) -> HttpResponse:
    """One of the settings' pages, with the way to the others."""
    frame = {
        "title": gettext("Settings"),
        "workspace": workspace,
        "owns": access.owns(request.user, workspace.pk),
        "tabs": [
            {"label": label, "url": reverse(f"audience:{name}", args=[workspace.pk]), "is_on": name == tab}
            for label, name in TABS
        ],
        "workspaces": workspaces.choices(
            request, workspace, lambda seen: reverse(f"audience:{tab}", args=[seen.pk])
        ),
    }
    response = show(request, f"audience/settings/{tab}.html", {**frame, **context})
    response.status_code = 422 if invalid else 200
    return response


def _saved(request: HttpRequest, workspace: Workspace, form: Any, change: Any) -> bool:
    """Whether what was sent is saved; what is wrong is said by the form."""
    if not form.is_valid():
        return False
    try:
        changed = change(workspace, form.cleaned_data)
    except ValidationError as error:
        for field, said in error.message_dict.items():
            form.add_error(None if field == NON_FIELD_ERRORS else field, said)
        return False
    messages.success(request, gettext("Saved.") if changed else gettext("Nothing was different."))
    return True
