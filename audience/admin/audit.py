"""The audit log as a page, and the mixin through which admin pages write into it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from audience import access, audit
from audience.admin.base import ReadOnly, WorkspaceAdmin
from audience.admin.search import SearchedOnce
from audience.models import AuditEntry

SECRET = "(secret)"  # noqa: S105 - it stands for one


class AuditedDeletion:
    """Mixed in before ModelAdmin whose forms save through the domain: deleting leaves an entry."""

    def audited_name(self, obj: Any) -> str:
        return str(obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            name = self.audited_name(obj)
            audit.record("deleted", obj, workspace=_workspace_of(obj), name=name)
            super().delete_model(request, obj)  # type: ignore[misc]


class AuditedInlines:
    """Mixed in before ModelAdmin: what is added, changed and taken away on the inlines of its page."""

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_formset(request, form, formset, change)  # type: ignore[misc]
            workspace = _workspace_of(form.instance)
            for inline in [each for each in formset.forms if each.has_changed()]:
                _tell_inline(inline, formset, workspace)


def _tell_inline(form: Any, formset: Any, workspace: int | None) -> None:
    row, is_new = form.instance, form.instance in formset.new_objects
    if row in formset.deleted_objects:
        known = {name: value for name, value in form.initial.items() if name in form.fields}
        audit.record("deleted", row, workspace=workspace, before=known)
    elif is_new or row in [changed for changed, _ in formset.changed_objects]:
        before, after = changes(form, change=not is_new)
        action = "added" if is_new else "changed"
        audit.record(action, row, workspace=workspace, before=before, after=after)


class Audited(AuditedInlines, AuditedDeletion):
    """Mixed in before ModelAdmin: saving and deleting leave an entry, with what was there before."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)  # type: ignore[misc]
            before, after = changes(form, change)
            if before != after:
                action = "changed" if change else "added"
                audit.record(action, obj, workspace=_workspace_of(obj), before=before, after=after)


def changes(form: Any, change: bool) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """What a form has changed, before and after; of a new thing, all that was entered.

    What is no column of its own is a secret on its way to be sealed, and only said to have changed.
    """
    columns = {field.name for field in form.instance._meta.concrete_fields} - {"password"}
    names = form.changed_data if change else form.cleaned_data
    before = {name: form.initial.get(name) if name in columns else SECRET for name in names}
    after = {name: _value(form, name, columns) for name in names}
    return (before if change else None), after


def _value(form: Any, name: str, columns: set[str]) -> Any:
    if name not in columns:
        return f"{SECRET} entered" if form.cleaned_data.get(name) else ""
    value = form.cleaned_data.get(name)
    return value.pk if isinstance(value, models.Model) else value


def _workspace_of(obj: Any) -> int | None:
    found: int | None = obj.pk if obj._meta.model_name == "workspace" else getattr(obj, "workspace_id", None)
    return found


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, SearchedOnce, WorkspaceAdmin):
    """For owners what was done in their workspace, for site staff everything."""

    form = forms.ModelForm
    list_display = ("at", "action", "name", "actor_name", "ip", "door")
    list_filter = ("action",)
    search_fields = ("actor_name", "name")
    search_help_text = _("Who, or what")
    fields = ("at", "action", "thing", "thing_id", "name", "actor_name", "ip", "door", "before", "after")
    date_hierarchy = None

    def workspace_id_of(self, obj: Any) -> int:
        # Of the whole installation: no workspace has this number, so that only site staff may see it.
        return int(obj.workspace_id or 0)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # Not narrowed to the only workspace: what concerns the whole installation belongs to none.
        rows = ModelAdmin.get_queryset(self, request)
        if request.user.is_superuser:
            return rows
        owned = [pk for pk, role in access.roles_of(request.user).items() if role == access.Role.OWNER]
        return rows.filter(workspace__in=owned)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.owns(request.user)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return access.owns(request.user, self.workspace_id_of(obj) if obj else None)
