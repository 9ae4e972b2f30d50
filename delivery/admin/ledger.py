"""The ledger and what came back about it, to read. Drumbeat writes them, nobody else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.decorators import display

from audience.admin.base import ReadOnly, WorkspaceAdmin
from audience.admin.search import AddressSearch
from campaigns.esps import ESPS
from delivery import verdicts, why
from delivery.inbound import shown
from delivery.models import Event, Inbound, Progress, SendLog

# The beat's schedule is config.settings.CELERY_BEAT_SCHEDULE, which it writes into these by itself.
admin.site.unregister([ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule])

Status = SendLog.Status
LABELS = {
    Status.QUEUED: "default",
    Status.SENDING: "info",
    Status.SENT: "success",
    Status.FAILED: "danger",
    Status.SUPPRESSED: "warning",
    Status.CANCELLED: "default",
    Status.UNKNOWN: "warning",
}


@admin.register(SendLog)
class SendLogAdmin(ReadOnly, AddressSearch, WorkspaceAdmin):
    list_display = ("email", "campaign", "status_label", "why_so", "sent_at")
    # Cheap at any size: the exceptional statuses have an index of their own, the others are many.
    list_filter = ("status",)
    list_select_related = ("campaign",)
    sortable_by = ()
    fieldsets = (
        (None, {"fields": ["email", "campaign", "sender", "status", "reason", "outcome", "outcome_at"]}),
        ("Hand-over", {"fields": ["attempts", "due_at", "sent_at", "provider_id", "error"]}),
        (_("Worker"), {"fields": ["worker", "lease_until", "fence"], "classes": ["collapse"]}),
    )
    change_form_before_template = "admin/delivery/sendlog/timeline.html"

    @display(description=_("Status"), label=LABELS)
    def status_label(self, row: SendLog) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description=_("Why"))
    def why_so(self, row: SendLog) -> str:
        words = row.get_reason_display() or row.get_outcome_display()
        if row.status != Status.UNKNOWN:
            return words
        url = reverse("delivery:unknown", args=[row.campaign_id])
        return format_html('{} <a href="{}?row={}" class="text-link">Settle</a>', words, url, row.pk)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context["answer"] = why.explain(obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


@admin.register(Event)
class EventAdmin(ReadOnly, WorkspaceAdmin):
    list_display = ("at", "what", "verdict", "source", "email", "received_at", "applied_at")
    list_select_related = ("sendlog",)
    sortable_by = ()
    fieldsets = (
        (None, {"fields": ["email", "ledger_row", "what", "by_whom", "link", "detail", "at"]}),
        (
            _("Report"),
            {
                "fields": ["source", "user_agent", "ip", "received_at", "applied_at", "key"],
                "classes": ["collapse"],
            },
        ),
    )

    @display(description=_("What"))
    def what(self, event: Event) -> str:
        return event.in_words

    @display(description=_("By whom"))
    def by_whom(self, event: Event) -> str:
        return verdicts.shown(event)

    @display(description=_("E-mail address"))
    def email(self, event: Event) -> str:
        return event.sendlog.email

    @display(description=_("Ledger row"))
    def ledger_row(self, event: Event) -> str:
        url = reverse("admin:delivery_sendlog_change", args=[event.sendlog_id])
        return format_html('<a href="{}" class="text-link">What happened to this mail</a>', url)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context["subtitle"] = f"{obj.in_words} by {obj.sendlog.email}"
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


@admin.register(Progress)
class ProgressAdmin(ReadOnly, WorkspaceAdmin):
    """The sums behind the progress bars, for when they are doubted."""

    form = forms.ModelForm
    workspace_path = "campaign__workspace"
    list_display = (
        "campaign",
        "matched",
        "sent",
        "failed",
        "suppressed",
        "cancelled",
        "unknown",
        "filled_at",
    )
    list_select_related = ("campaign",)
    ordering = ("-pk",)
    fields = (
        "campaign", "matched", "sent", "failed", "suppressed", "cancelled", "unknown", "cursor", "filled_at"
    )  # fmt: skip

    def workspace_id_of(self, obj: Progress) -> int:
        return obj.campaign.workspace_id


class ReceivedFilter(admin.SimpleListFilter):
    """By when it came in, each answered from the index of that moment."""

    title = "received"
    parameter_name = "received"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("1", gettext("In the last 24 hours")),
            ("7", gettext("In the last 7 days")),
            ("failed", gettext("Given up")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "1" | "7" as days:
                return queryset.filter(received_at__gte=Now() - timedelta(days=int(days)))
            case "failed":
                return queryset.exclude(error="").exclude(processed_at=None)
        return queryset


@admin.register(Inbound)
class InboundAdmin(ReadOnly, WorkspaceAdmin):
    """What providers report, as it came. To read, when somebody asks where an event is from."""

    list_display = ("received_at", "sender", "service_label", "state_label", "error")
    list_filter = (ReceivedFilter,)
    list_select_related = ("sender",)
    search_fields = ("sender__name",)
    search_help_text = _("The name of a sender")
    sortable_by = ()
    fieldsets = (
        (None, {"fields": ["sender", "service_label", "received_at", "state_label", "error"]}),
        (
            _("Processing"),
            {"fields": ["attempts", "due_at", "processed_at", "digest"], "classes": ["collapse"]},
        ),
    )
    readonly_fields = ("service_label", "state_label")
    change_form_before_template = "admin/delivery/inbound/told.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("body")

    @display(description=_("Service"))
    def service_label(self, inbound: Inbound) -> str:
        return ESPS[inbound.service].label if inbound.service in ESPS else gettext("Mail")

    @display(description=_("State"), label={"waiting": "info", "processed": "success", "given_up": "danger"})
    def state_label(self, inbound: Inbound) -> tuple[str, str]:
        if inbound.processed_at is None:
            return "waiting", gettext("Waiting")
        return ("given_up", gettext("Given up")) if inbound.error else ("processed", gettext("Processed"))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context |= {"told": shown.told(obj), "lines": shown.lines(obj), "subtitle": self.service_label(obj)}
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)
