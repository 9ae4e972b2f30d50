"""API keys: made and revoked by owners, and shown once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from audience import access, api_keys
from audience.admin.base import WorkspaceAdmin, WorkspaceChoice, user_of
from audience.models import ApiKey, Workspace, workspaces_visible_to

DAYS = {"30": "30 days", "90": "90 days", "365": _("A year"), "": _("Until it is revoked")}
STATES = {"valid": "success", "expired": "warning", "revoked": "default"}


class KeyForm(WorkspaceChoice):
    """What a key is for, what it may, and for how long."""

    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text=_("What will use it, for your own eyes. It acts in your name."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=list(api_keys.SCOPES.items()),
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=_("Never more than you may yourself. Choose as little as will do."),
        error_messages={"required": _("Choose at least one thing.")},
    )
    days = forms.ChoiceField(
        label=_("Valid for"),
        required=False,
        choices=list(DAYS.items()),
        initial="365",
        widget=UnfoldAdminSelectWidget(),
    )


@admin.register(ApiKey)
class ApiKeyAdmin(WorkspaceAdmin):
    list_display = ("name", "prefix", "user", "state", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "prefix")
    search_help_text = _("Part of the name, or how the key begins")
    fields = (
        "name", "prefix", "user", "may", "created_at", "expires_at", "revoked_at", "last_used_at",
    )  # fmt: skip
    readonly_fields = ("prefix", "may", "created_at", "revoked_at", "last_used_at")
    change_form_outer_after_template = "admin/audience/apikey/revoke_button.html"

    @display(description=_("State"), label=STATES)
    def state(self, key: ApiKey) -> tuple[str, str]:
        if key.revoked_at is not None:
            return "revoked", gettext("Revoked")
        return (
            ("valid", gettext("Valid")) if key.is_valid(timezone.now()) else ("expired", gettext("Expired"))
        )

    @display(description=_("What it may do"))
    def may(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    # --- Owners only -------------------------------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.owns(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return access.owns(request.user, self.workspace_id_of(obj) if obj else None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.owns(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Keys are revoked, and stay in the list: who had access is part of what happened."""
        return self.has_view_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(workspace__in=self.owned_workspaces(request))

    def owned_workspaces(self, request: HttpRequest) -> Any:
        seen = workspaces_visible_to(request.user)
        owned = [pk for pk in seen.values_list("pk", flat=True) if access.owns(request.user, pk)]
        return Workspace.objects.filter(pk__in=owned)

    # --- Pages -------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        sole = access.sole_workspace(request.user)
        form = KeyForm(request.POST or None, workspaces=self.owned_workspaces(request), sole=sole)
        if form.is_valid():
            return self._made(request, form)
        context = {"form": form, "title": gettext("Make an API key"), "submit_words": gettext("Make the key")}
        return self._page(request, "admin/simple_form.html", context)

    def _made(self, request: HttpRequest, form: KeyForm) -> HttpResponse:
        """The one page that shows the key; no browser keeps it."""
        days = form.cleaned_data["days"]
        key, text = api_keys.create(
            form.chosen_workspace(),
            user_of(request),
            form.cleaned_data["name"],
            form.cleaned_data["scopes"],
            timezone.now() + timedelta(days=int(days)) if days else None,
        )
        context = {"key": key, "text": text, "title": gettext("The key for “{name}”").format(name=key.name)}
        response = self._page(request, "admin/audience/apikey/made.html", context)
        add_never_cache_headers(response)
        return response

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context |= {"show_delete": False, "may_revoke": obj is not None and obj.revoked_at is None}
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Revoke the key: confirm on GET, act on POST."""
        key = self.get_object(request, object_id)
        if key is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_delete_permission(request, key):
            raise PermissionDenied
        if request.method == "POST":
            if api_keys.revoke(key):
                messages.success(
                    request,
                    gettext("“{name}” is revoked. Nothing can use it any more.").format(name=key.name),
                )
            else:
                messages.info(request, gettext("“{name}” was revoked already.").format(name=key.name))
            return redirect(self.changelist_url())
        context = {"object": key, "title": gettext("Revoke “{name}”?").format(name=key.name)}
        return self._page(request, "admin/audience/apikey/revoke.html", context)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        context |= self.admin_site.each_context(request) | {"opts": self.opts, "back": self.changelist_url()}
        return TemplateResponse(request, template, context).render()
