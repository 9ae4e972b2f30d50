"""Automations: how an always-on campaign starts people on its flow; saved through campaigns.drafts only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from audience import access
from audience.admin.base import WorkspaceAdmin
from campaigns import drafts
from campaigns.models import Automation, Campaign


class AutomationForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        campaign = cleaned.get("campaign") or Campaign.objects.filter(pk=self.instance.pk).first()
        if campaign is not None and campaign.status != Campaign.Status.DRAFT:
            raise forms.ValidationError(str(drafts.NotADraft()))
        return cleaned


@admin.register(Automation)
class AutomationAdmin(WorkspaceAdmin):
    form = AutomationForm
    workspace_path = "campaign__workspace"
    list_display = ("campaign", "start", "again", "status")
    list_select_related = ("campaign",)
    ordering = ("-campaign",)
    fieldsets = (
        (None, {"fields": ["campaign", "start", "includes_present", "event"]}),
        (_("A date"), {"fields": ["attribute", ("offset_days", "at"), "is_yearly"]}),
        (_("Again"), {"fields": [("again", "again_days")]}),
    )
    conditional_fields = {
        "includes_present": "start == 'segment'",
        "event": "start == 'event'",
        "attribute": "start == 'date'",
        "offset_days": "start == 'date'",
        "at": "start == 'date'",
        "is_yearly": "start == 'date'",
        "again_days": "again == 'after'",
    }

    @display(description=_("Status"))
    def status(self, automation: Automation) -> str:
        return automation.campaign.get_status_display()

    def workspace_id_of(self, obj: Automation) -> int:
        return obj.campaign.workspace_id

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and field.queryset is not None and db_field.name == "campaign":
            field.queryset = field.queryset.filter(status=Campaign.Status.DRAFT, automation=None)
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Automation | None = None) -> list[str]:
        fixed = super().get_readonly_fields(request, None)
        return [*fixed, "campaign"] if obj else fixed

    def has_change_permission(self, request: HttpRequest, obj: Automation | None = None) -> bool:
        is_draft = obj is None or obj.campaign.status == Campaign.Status.DRAFT
        return is_draft and access.may_edit(request.user, obj.campaign.workspace_id if obj else None)

    def has_delete_permission(self, request: HttpRequest, obj: Automation | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Automation, form: Any, change: bool) -> None:
        columns = {name: value for name, value in form.cleaned_data.items() if name != "campaign"}
        drafts.automate(obj.campaign, **columns)

    def delete_model(self, request: HttpRequest, obj: Automation) -> None:
        drafts.make_one_off(obj.campaign)
