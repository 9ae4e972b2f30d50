"""Campaigns: a form while a draft, then a page to watch and steer; saved through campaigns.drafts only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.forms import PaginationInlineFormSet

from audience import access
from audience.admin.audit import AuditedDeletion, AuditedInlines
from audience.admin.base import ReadOnly, WorkspaceAdmin, WorkspaceForm, user_of
from audience.audiences import Audience
from campaigns import drafts, schedule
from campaigns.admin import people
from campaigns.models import Campaign, CampaignSender, CampaignTransition, Sender

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Status = Campaign.Status
LABELS = {
    Status.DRAFT: "default",
    "scheduled": "info",
    Status.ACTIVE: "primary",
    Status.PAUSED: "warning",
    Status.COMPLETED: "success",
    Status.FAILED: "danger",
    Status.CANCELLED: "default",
}
GOAL = ("goal_event", "goal_days", "goal_value")
UTM = ("utm_source", "utm_medium", "utm_campaign")
CLOCKS: dict[str, StrOrPromise] = {
    Campaign.Clock.CUSTOMER: _("on each customer's own clock"),
    Campaign.Clock.BEST: _("and at each customer's own best hour after it"),
}


class CampaignForm(WorkspaceForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        clock: Any = self.fields.get("clock")
        if clock is not None and self.workspace is not None:
            clock.choices = [
                (
                    Campaign.Clock.WORKSPACE,
                    gettext("The clock in {time_zone}").format(time_zone=self.workspace.time_zone),
                ),
                (Campaign.Clock.CUSTOMER, gettext("Each customer's own clock")),
                (Campaign.Clock.BEST, gettext("Each customer's own best hour, within a day of the start")),
            ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "goal_days" in cleaned:
            cleaned["goal_days"] = cleaned["goal_days"] or self.instance.goal_days
        if cleaned.get("audience") != Audience.SEGMENT and "segment" in cleaned:
            cleaned["segment"] = None
        if cleaned.get("template") and cleaned.get("flow"):
            self.add_error(
                "flow", gettext("Choose a template or a flow, not both: a flow has templates of its own.")
            )
        if cleaned.get("start_time") and not cleaned.get("start_date") and "start_date" not in self.errors:
            self.add_error(
                "start_date", gettext("The start time has no date. Choose one, or clear the time.")
            )
        return cleaned


class SharesFormSet(PaginationInlineFormSet):
    """The senders of a campaign; all of its own workspace."""

    def add_fields(self, form: Any, index: int | None) -> None:
        """The cells of a table have no labels to see: their names are said to those who listen."""
        super().add_fields(form, index)
        for name in {"sender", "weight"} & form.fields.keys():
            widget = form.fields[name].widget
            # A choice of other rows wraps the widget that has the attributes.
            getattr(widget, "widget", widget).attrs["aria-label"] = name.capitalize()

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            sender = form.cleaned_data.get("sender") if hasattr(form, "cleaned_data") else None
            if sender is not None and sender.workspace_id != self.instance.workspace_id:
                raise ValidationError(
                    gettext("The sender “{sender}” belongs to another workspace. Choose another.").format(
                        sender=sender
                    )
                )


class SharesInline(TabularInline):
    model = CampaignSender
    formset = SharesFormSet
    fields = ("sender", "weight")
    extra = 0
    min_num = 1
    hide_title = True
    verbose_name = _("sender")
    verbose_name_plural = _("senders")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = Sender.objects.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_formset(self, request: HttpRequest, obj: Campaign | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        if obj is not None and "sender" in formset.form.base_fields:
            field = formset.form.base_fields["sender"]
            field.queryset = field.queryset.of(obj.workspace)
        return formset

    def has_view_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return access.may_view(request.user, obj.workspace_id if obj else None)

    def has_add_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        is_draft = obj is None or obj.status == Status.DRAFT
        return is_draft and access.may_edit(request.user, obj.workspace_id if obj else None)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return self.has_change_permission(request, obj)


@admin.register(Campaign)
class CampaignAdmin(AuditedInlines, AuditedDeletion, WorkspaceAdmin):
    deletion = _("A draft: nothing of it was sent, so no figures go with it. It cannot be brought back.")
    form = CampaignForm
    list_display = ("name", "status_label", "start", "progress")
    list_filter = ("status",)
    search_fields = ("name",)
    search_help_text = _("Part of the name")
    list_select_related = ("workspace",)
    sortable_by = ("name",)
    fieldsets = (
        (None, {"fields": ["name"]}),
        (_("To whom"), {"fields": ["audience", "segment"]}),
        (_("What"), {"fields": ["template", "flow"]}),
        (_("Tracking"), {"fields": [("tracked", "utm"), *UTM]}),
        (_("Goal"), {"fields": [GOAL]}),
        (_("When"), {"fields": [("start_date", "start_time"), "clock"]}),
    )
    inlines = (SharesInline,)
    # On a page to read, the form that the expression asks is not there.
    conditional_fields = {
        "segment": "typeof audience === 'undefined' || audience == 'segment'"
    } | dict.fromkeys(
        ("utm_source", "utm_medium", "utm_campaign"), "typeof utm === 'undefined' || utm == true"
    )
    change_form_template = "admin/campaigns/campaign/change_form.html"

    @display(description=_("Status"), label=LABELS, ordering="status")
    def status_label(self, campaign: Campaign) -> tuple[str, str]:
        if schedule.is_scheduled(campaign, timezone.now()):
            return "scheduled", gettext("Scheduled")
        return campaign.status, campaign.get_status_display()

    @display(description=_("Start"))
    def start(self, campaign: Campaign) -> str:
        on_clock = schedule.start_on_clock(campaign)
        if on_clock is None:
            return (
                gettext("At once")
                if campaign.clock != Campaign.Clock.BEST
                else gettext("At each customer's next best hour")
            )
        zone = CLOCKS.get(campaign.clock, campaign.workspace.time_zone)
        return f"{date_format(on_clock, 'j M Y, H:i')} {zone}"

    @display(description=_("Progress"))
    def progress(self, campaign: Campaign) -> str:
        return render_to_string("admin/campaigns/campaign/progress_cell.html", {"campaign": campaign})

    def get_urls(self) -> list[Any]:
        steps = self.admin_site.admin_view(self.people_view)
        person = self.admin_site.admin_view(self.person_view)
        return [
            path("<int:pk>/people/", steps, name="campaigns_campaign_people"),
            path("<int:pk>/people/<int:customer_pk>/", person, name="campaigns_campaign_person"),
            *super().get_urls(),
        ]

    def people_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        response: HttpResponse = people.steps(request, self, pk)
        return response

    def person_view(self, request: HttpRequest, pk: int, customer_pk: int) -> HttpResponse:
        response: HttpResponse = people.person(request, self, pk, customer_pk)
        return response

    def response_post_save_add(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        """A draft is made to be sent: its numbers, a test and the button are on the next page."""
        return redirect("delivery:send", obj.pk)

    def response_post_save_change(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        return redirect("delivery:send", obj.pk)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        messages.success(
            request,
            gettext("The draft “{obj_display}” is deleted. Nothing of it was ever sent.").format(
                obj_display=obj_display
            ),
        )
        return redirect("site:campaigns")

    # --- Only a draft can be changed -----------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> list[Any]:
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        return [*fieldsets[:-1], (gettext("When"), {"fields": ["start"]})]

    def has_change_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.status == Status.DRAFT)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.status == Status.DRAFT)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, *args, **kwargs)
        except drafts.NotADraft as error:
            messages.error(request, gettext("Nothing was saved. {error}").format(error=error))
            return redirect("admin:campaigns_campaign_change", object_id)

    def save_model(self, request: HttpRequest, obj: Campaign, form: CampaignForm, change: bool) -> None:
        columns: dict[str, Any] = {
            name: form.cleaned_data[name] for name in COLUMNS if name in form.cleaned_data
        }
        if change:
            # Also when only the senders change: it holds the draft until they are written.
            drafts.change(obj, **columns)
            return
        for name in ("segment", "template", "flow"):
            row = columns.pop(name, None)
            columns[f"{name}_id"] = row.pk if row else None
        obj.pk = drafts.create(obj.workspace, **columns, actor=user_of(request)).campaign.pk

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        if obj is not None:
            context["transitions"] = obj.transitions.select_related("actor")
            context["status_type"], context["status_words"] = self.status_label(obj)
            context["status_variant"] = LABELS[context["status_type"]]
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


COLUMNS = (
    *("name", "audience", "segment", "template", "flow", "start_date", "start_time", "clock"),
    *("tracked", "utm", *UTM, *GOAL),
)


@admin.register(CampaignTransition)
class CampaignTransitionAdmin(ReadOnly, WorkspaceAdmin):
    form = forms.ModelForm
    workspace_path = "campaign__workspace"
    list_display = ("campaign", "from_status", "to_status", "actor", "reason", "at")
    list_select_related = ("campaign", "actor")
    fields = ("campaign", "action", "from_status", "to_status", "actor", "reason", "at")

    def workspace_id_of(self, obj: CampaignTransition) -> int:
        return obj.campaign.workspace_id
