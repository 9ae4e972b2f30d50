"""Senders. A password goes in and never comes out."""

from __future__ import annotations

import unicodedata
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from audience.admin.base import WorkspaceAdmin, WorkspaceForm
from campaigns import senders
from campaigns.models import CampaignSender, Sender

SMTP_ONLY = ("host", "port", "security", "username", "password")
# What breaks a header or hides in it: controls, line and paragraph separators, halves of characters.
UNFIT_FOR_HEADERS = frozenset({"Cc", "Zl", "Zp", "Cs"})


class SenderForm(WorkspaceForm):
    password = forms.CharField(
        required=False,
        strip=False,
        max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown. Leave empty to keep the one that is stored.",
    )

    def clean_from_name(self) -> str:
        name: str = self.cleaned_data["from_name"]
        if any(unicodedata.category(character) in UNFIT_FOR_HEADERS for character in name):
            raise ValidationError("The name holds line breaks or control characters. Type it anew.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("transport") == Sender.Transport.SMTP and not cleaned.get("host"):
            self.add_error("host", "Enter the name of the SMTP server, or choose the local mailbox.")
        moved = {"host", "port", "security"}.intersection(self.changed_data)
        if moved and self.instance.sealed_password and not cleaned.get("password"):
            self.add_error("password", "Enter the password again: no other server is given it unasked.")
        return cleaned


@admin.register(Sender)
class SenderAdmin(WorkspaceAdmin):
    form = SenderForm
    list_display = ("name", "from_email", "transport", "state_label")
    list_filter = ("transport", "state")
    search_fields = ("name", "from_email")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ["name", "from_name", "from_email", "reply_to"]}),
        ("How mail leaves", {"fields": ["transport", *SMTP_ONLY]}),
        ("State", {"fields": ["state", "last_error"]}),
    )
    readonly_fields = ("state", "last_error")
    # On a page to read, the form that the expression asks is not there.
    conditional_fields = dict.fromkeys(SMTP_ONLY, "typeof transport === 'undefined' || transport == 'smtp'")

    @display(
        description="State",
        label={
            Sender.State.READY: "success",
            Sender.State.UNVERIFIED: "info",
            Sender.State.STOPPED: "danger",
        },
    )
    def state_label(self, sender: Sender) -> tuple[str, str]:
        return sender.state, sender.get_state_display()

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets[:-1]
        if self.has_change_permission(request, obj):
            return fieldsets
        identity, (title, options), state = fieldsets
        shown = [name for name in options["fields"] if name != "password"]
        return [identity, (title, {**options, "fields": shown}), state]

    def has_delete_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        used = obj is not None and CampaignSender.objects.filter(sender=obj).exists()
        return super().has_delete_permission(request, obj) and not used

    def save_model(self, request: HttpRequest, obj: Sender, form: SenderForm, change: bool) -> None:
        if password := form.cleaned_data.get("password"):
            obj.set_password(password)
        super().save_model(request, obj, form, change)
        if change and password:
            obj.save(update_fields=["sealed_password"])
        if change and senders.reinstate(obj):
            messages.info(
                request, "The sender had been stopped; now it is tried again. Resume its campaigns."
            )
