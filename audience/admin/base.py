"""What every admin page of a workspace's things has in common: the wall, permissions, fast lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.forms.models import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget

from audience import access, zones
from audience.models import Workspace, WorkspaceModel, workspaces_visible_to

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django_stubs_ext import StrOrPromise


def user_of(request: HttpRequest) -> User:
    """Who acts; the admin lets nobody in who is not logged in."""
    return cast("User", request.user)


class CappedPaginator(Paginator):
    """Pages through the first 10,000 rows; counting stops there, so that no list counts a table."""

    LIMIT = 10_000
    template_name = "admin/pagination_capped.html"

    @cached_property
    def count(self) -> int:
        return min(self.counted, self.LIMIT)

    @cached_property
    def counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: self.LIMIT + 1].count())

    @property
    def has_more(self) -> bool:
        return self.counted > self.LIMIT


class WorkspaceFilter(admin.SimpleListFilter):
    """By workspace, for those who see several."""

    title = "workspace"
    parameter_name = "workspace"

    def lookups(self, request: HttpRequest, model_admin: WorkspaceAdmin) -> list[tuple[int, str]]:
        return [(row.pk, row.name) for row in workspaces_visible_to(request.user)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        return queryset.filter(workspace_id=value) if value and value.isdecimal() else queryset


class WorkspaceForm(forms.ModelForm):
    """A form whose object never points into another workspace, and never moves to one."""

    class Meta:
        error_messages = {
            NON_FIELD_ERRORS: {
                "unique_together": _("There is one with the same %(field_labels)s already. Choose another.")
            }
        }

    # Given by WorkspaceAdmin.get_form(): the workspace that goes without saying.
    sole: Workspace | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.workspace_id is None and self.sole is not None:
            self.instance.workspace = self.sole
        for field in self.fields.values():
            rows = getattr(field, "queryset", None)
            if rows is not None and issubclass(rows.model, WorkspaceModel):
                self._narrow(field)

    def _narrow(self, field: Any) -> None:
        """Offer what belongs to the object's workspace; while there is none, say whose each one is."""
        if self.instance.workspace_id is not None:
            field.queryset = field.queryset.filter(workspace=self.instance.workspace_id)
        else:
            field.queryset = field.queryset.select_related("workspace")
            field.label_from_instance = lambda row: f"{row} ({row.workspace})"

    @property
    def workspace(self) -> Workspace | None:
        """The workspace of the object at hand; None while a new one has none yet."""
        if self.instance.workspace_id is not None:
            return self.instance.workspace
        return getattr(self, "cleaned_data", {}).get("workspace")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        own = self.workspace.pk if self.workspace else None
        for name, value in list(cleaned.items()):
            if isinstance(value, WorkspaceModel) and value.workspace_id != own:
                self.add_error(
                    name,
                    gettext("This belongs to another workspace. Choose one of {workspace}.").format(
                        workspace=self.workspace
                    ),
                )
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """Names are unique within a workspace, also on a form that does not show it."""
        exclude: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclude - {"workspace"} if self.workspace else exclude


class WorkspaceChoice(forms.Form):
    """Base of forms that make something: asks for the workspace, unless it goes without saying."""

    workspace = forms.ModelChoiceField(Workspace.objects.none(), widget=UnfoldAdminSelectWidget())

    def __init__(
        self, *args: Any, workspaces: QuerySet[Workspace], sole: Workspace | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sole = sole
        self.fields["workspace"].queryset = workspaces  # type: ignore[attr-defined]
        if sole is not None:
            del self.fields["workspace"]

    def chosen_workspace(self) -> Workspace:
        chosen: Workspace = self.sole or self.cleaned_data["workspace"]
        return chosen


class WorkspaceAdmin(ModelAdmin):
    """Base of all admins: rows of the user's workspaces only, with the rights of the user's role."""

    form: type[forms.ModelForm] = WorkspaceForm
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    ordering = ("-id",)
    # What can't be undone is done one at a time, on a page of its own.
    actions = None
    empty_value_display = "-"
    # The way from a row to its workspace.
    workspace_path = "workspace"
    # What deleting one means, said on the page that asks whether to.
    deletion: StrOrPromise = ""

    # --- The wall ------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        sole = access.sole_workspace(request.user)
        if sole is not None:
            # Said outright, the indexes that begin with the workspace serve.
            return rows.filter(**{self.workspace_path: sole})
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.workspace_path}__in": workspaces_visible_to(request.user)})

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey, request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField | None:
        related = db_field.remote_field.model
        if related is Workspace:
            kwargs["queryset"] = self.editable_workspaces(request)
        elif issubclass(related, WorkspaceModel):
            kwargs["queryset"] = related.objects.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def editable_workspaces(self, request: HttpRequest) -> QuerySet[Workspace]:
        seen = workspaces_visible_to(request.user)
        if request.user.is_superuser:
            return seen
        roles = access.roles_of(request.user)
        return seen.filter(pk__in=[pk for pk, role in roles.items() if role in access.EDITORS])

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only a row's own columns: a look-up through a relation could ask what the page does not show."""
        first, *rest = lookup.split("__")
        relations = {field.name for field in self.opts.get_fields() if field.is_relation}
        if first in relations and rest not in ([], ["exact"], ["id", "exact"], ["isnull"]):
            return False
        return super().lookup_allowed(lookup, value, request)

    # --- Permissions ---------------------------------------------------------------------------

    def workspace_id_of(self, obj: Any) -> int:
        return int(obj.workspace_id)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_view(request.user)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return access.may_view(request.user, self.workspace_id_of(obj) if obj else None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_edit(request.user)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return access.may_edit(request.user, self.workspace_id_of(obj) if obj else None)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return access.may_edit(request.user, self.workspace_id_of(obj) if obj else None)

    # --- The word "workspace" is for those who see several ---------------------------------------

    def get_list_display(self, request: HttpRequest) -> list[str]:
        columns = [*super().get_list_display(request)]
        return columns if self._hides_workspace(request) else [*columns, "workspace"]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        filters = [*super().get_list_filter(request)]
        return filters if self._hides_workspace(request) else [WorkspaceFilter, *filters]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        related = [*self.list_select_related] if self.list_select_related else []
        return related if self._hides_workspace(request) else [*related, "workspace"]

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        fieldsets = [*super().get_fieldsets(request, obj)]
        if self._hides_workspace(request):
            return fieldsets
        (title, options), *others = fieldsets
        return [(title, {**options, "fields": ["workspace", *options["fields"]]}), *others]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        fixed = [*super().get_readonly_fields(request, obj)]
        return [*fixed, "workspace"] if obj else fixed

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"sole": access.sole_workspace(request.user)})

    def _hides_workspace(self, request: HttpRequest) -> bool:
        return self.workspace_path != "workspace" or access.sole_workspace(request.user) is not None

    # --- Pages -----------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().delete_view(request, object_id, {"deletion": self.deletion, **(extra_context or {})})

    def changelist_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The object, with its page's times by its workspace's clock."""
        obj = super().get_object(request, object_id, from_field)
        if obj is not None:
            workspace = Workspace.objects.filter(pk=self.workspace_id_of(obj)).first()
            if workspace is not None:
                zones.show_in(workspace)
        return obj

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: bool) -> None:
        """Write a new row, or of an existing one only what the form has changed."""
        if not change:
            obj.save(force_insert=True)
            return
        columns = {field.name: field for field in self.opts.concrete_fields}
        changed = [name for name in form.changed_data if name in columns]
        if changed:
            touched = [name for name, field in columns.items() if getattr(field, "auto_now", False)]
            obj.save(update_fields=[*changed, *touched])


class ReadOnly:
    """Mixed in before WorkspaceAdmin: rows that Drumbeat writes and people only read."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
