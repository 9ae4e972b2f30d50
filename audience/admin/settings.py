"""The workspaces themselves, the users, and who belongs where."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin, StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from audience import access, audit, members
from audience.admin.audit import Audited
from audience.admin.base import WorkspaceAdmin, WorkspaceForm
from audience.models import ContactPolicy, Membership, Workspace, workspaces_visible_to

admin.site.unregister(User)
admin.site.unregister(Group)
# Keys of second factors are nobody's to look at.
admin.site.unregister([TOTPDevice, StaticDevice])


class SuperusersOnly:
    """Mixed in before ModelAdmin: what concerns all workspaces at once."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)


class PasswordSetForm(AdminPasswordChangeForm):
    """Site staff sets somebody's password, which ends that person's sessions."""

    def save(self, commit: bool = True) -> User:
        with transaction.atomic():
            audit.record("password set", self.user)
            user: User = super().save(commit)
        return user


@admin.register(User)
class UserAdmin(Audited, SuperusersOnly, DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = PasswordSetForm
    list_filter = ("is_active", "is_superuser")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (
            _("Access"),
            {
                "fields": ("is_active", "is_staff", "is_superuser"),
                "description": _(
                    "Staff may log in here; their memberships say what they see and may do. "
                    "A superuser sees and may do everything."
                ),
            },
        ),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": gettext("Users"), **(extra_context or {})})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_staff": True}


@admin.register(Group)
class GroupAdmin(Audited, SuperusersOnly, DjangoGroupAdmin, ModelAdmin):
    """Kept for those who extend the site; Drumbeat's own rights come from memberships."""


class PolicyInline(StackedInline):
    """How often and when people may be mailed; held to for all campaigns and flows."""

    model = ContactPolicy
    fields = (("cap_mails", "cap_days", "cap_action"), ("quiet_from", "quiet_until", "quiet_action"))
    extra = 0
    max_num = 1

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return access.may_view(request.user, obj.pk if obj else None)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return access.owns(request.user, obj.pk if obj else None)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_change_permission(request, obj)


@admin.register(Workspace)
class WorkspaceSettingsAdmin(Audited, ModelAdmin):
    """A workspace's settings: made by superusers, changed by its owners, deleted by nobody."""

    list_display = ("name", "time_zone", "created_at")
    fields = ("name", "slug", "time_zone", "postal_address", "tracked")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (PolicyInline,)
    actions = None
    show_full_result_count = False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; who sees one workspace goes on to its settings."""
        sole = access.sole_workspace(request.user)
        if sole is not None:
            return redirect("admin:audience_workspace_change", sole.pk)
        return super().changelist_view(request, {"title": gettext("Workspaces"), **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        hides = object_id is not None and access.sole_workspace(request.user) is not None
        context = {"title": gettext("Settings"), "hides_list": True} if hides else {}
        return super().changeform_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        return workspaces_visible_to(request.user)

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> Any:
        return self.inlines if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Model | None = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_view(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return access.may_view(request.user, obj.pk if obj else None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return access.owns(request.user, obj.pk if obj else None)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class MembershipForm(WorkspaceForm):
    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if self.instance.pk and role != Membership.Role.OWNER:
            stored = Membership.objects.get(pk=self.instance.pk)
            if members.is_last_owner(stored):
                raise ValidationError(str(members.LastOwner()))
        return role


@admin.register(Membership)
class MembershipAdmin(Audited, WorkspaceAdmin):
    """Who belongs where. Superusers let people in; owners change roles and let people go."""

    form = MembershipForm
    list_display = ("user", "role")
    list_filter = ("role",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = ("user", "role")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return access.owns(request.user, self.workspace_id_of(obj) if obj else None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A last owner stays; there is another page on which they can be given a successor."""
        return self.has_change_permission(request, obj) and not (obj and members.is_last_owner(obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        fixed = super().get_readonly_fields(request, obj)
        return [*fixed, "user"] if obj else fixed

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        members.remove(obj)
