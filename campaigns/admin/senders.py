"""Senders. A password goes in and never comes out."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from audience.admin.audit import Audited
from audience.admin.base import WorkspaceAdmin, WorkspaceForm
from campaigns import egress, senders
from campaigns.admin.limits import LimitsInline, WarmUpInline
from campaigns.admin.sender_domain import DomainPanel
from campaigns.admin.sender_services import CREDENTIAL_FIELDS, ServiceForm
from campaigns.models import CampaignSender, Sender

SMTP_ONLY = ("host", "port", "security", "username", "password")
# A name, which may be in letters of any language, or an address.
HOST = re.compile(r"[\w.:\[\]-]+")
# What breaks a header or hides in it: controls, line and paragraph separators, halves of characters.
UNFIT_FOR_HEADERS = frozenset({"Cc", "Zl", "Zp", "Cs"})


class SenderForm(ServiceForm, WorkspaceForm):
    password = forms.CharField(
        required=False,
        strip=False,
        max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Stored encrypted and never shown. Leave empty to keep the one that is stored."),
    )

    def clean_from_name(self) -> str:
        name: str = self.cleaned_data["from_name"]
        if any(unicodedata.category(character) in UNFIT_FOR_HEADERS for character in name):
            raise ValidationError(gettext("The name holds line breaks or control characters. Type it anew."))
        return name

    def clean_host(self) -> str:
        host: str = self.cleaned_data["host"]
        if host and not HOST.fullmatch(host):
            raise ValidationError(gettext("This is not a host name. Enter one such as smtp.example.com."))
        return host

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("transport") == Sender.Transport.SMTP and not cleaned.get("host"):
            self.add_error("host", gettext("Enter the name of the SMTP server, or choose the local mailbox."))
        if cleaned.get("transport") == Sender.Transport.SMTP:
            self._refuse_inner_host(cleaned.get("host"), cleaned.get("port"))
        moved = {"host", "port", "security"}.intersection(self.changed_data)
        if moved and self.instance.sealed_password and not cleaned.get("password"):
            self.add_error(
                "password", gettext("Enter the password again: no other server is given it unasked.")
            )
        if cleaned.get("transport") == Sender.Transport.ESP:
            self.clean_service()
        else:
            self.forget_service()
        return cleaned

    def _refuse_inner_host(self, host: str | None, port: int | None) -> None:
        if host and port and (problem := egress.literal_problem(host, port)):
            self.add_error("host", problem)


BADGES: dict[str, str] = {Sender.State.READY: "completed", Sender.State.UNVERIFIED: "scheduled"}


@admin.register(Sender)
class SenderAdmin(DomainPanel, Audited, WorkspaceAdmin):
    deletion = _("Its credentials and limits go with it. No campaign has used it.")
    form = SenderForm
    list_display = ("name", "from_email", "transport", "state_label")
    list_filter = ("transport", "state")
    search_fields = ("name", "from_email")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ["state_badge", "name", "from_name", "from_email", "reply_to"]}),
        (
            _("How mail leaves"),
            {"fields": ["transport", *SMTP_ONLY, "esp", *CREDENTIAL_FIELDS, "api_url", "min_delay"]},
        ),
        (_("Domain"), {"fields": ["dkim_selector"]}),
    )
    # The last error stands above the form.
    readonly_fields = ("state_badge",)
    inlines = (LimitsInline, WarmUpInline)
    # On a page to read, the form that the expressions ask is not there.
    conditional_fields = {
        **dict.fromkeys(SMTP_ONLY, "typeof transport === 'undefined' || transport == 'smtp'"),
        **dict.fromkeys(("esp", "api_url"), "typeof transport === 'undefined' || transport == 'esp'"),
        **{
            name: f"transport == 'esp' && esp == '{esp.name}'" for name, (esp, _) in CREDENTIAL_FIELDS.items()
        },
    }

    @display(
        description=_("State"),
        label={
            Sender.State.READY: "success",
            Sender.State.UNVERIFIED: "info",
            Sender.State.RECONNECT: "warning",
            Sender.State.STOPPED: "danger",
        },
    )
    def state_label(self, sender: Sender) -> tuple[str, str]:
        return sender.state, sender.get_state_display()

    @display(description=_("State"))
    def state_badge(self, sender: Sender) -> str:
        badge = '<span class="delivery"><span class="badge {}">{}</span></span>'
        return format_html(badge, BADGES.get(sender.state, "failed"), sender.get_state_display())

    def get_fieldsets(self, request: HttpRequest, obj: Sender | None = None) -> list[Any]:
        left_out = self._left_out(request, obj)
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in left_out]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def _left_out(self, request: HttpRequest, obj: Sender | None) -> set[str]:
        """A new sender has no state; a page to read has nothing to enter and nothing of other transports."""
        if obj is None:
            return {"state_badge"}
        if self.has_change_permission(request, obj):
            return set()
        left_out = {"password", *CREDENTIAL_FIELDS}
        if obj.transport != Sender.Transport.SMTP:
            left_out |= {*SMTP_ONLY}
        if obj.transport != Sender.Transport.ESP:
            left_out |= {"esp", "api_url"}
        return left_out

    def has_delete_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        used = obj is not None and CampaignSender.objects.filter(sender=obj).exists()
        return super().has_delete_permission(request, obj) and not used

    def save_model(self, request: HttpRequest, obj: Sender, form: SenderForm, change: bool) -> None:
        sealed = self._seal(obj, form)
        super().save_model(request, obj, form, change)
        if change and sealed:
            obj.save(update_fields=sealed)
        if change and senders.reinstate(obj):
            messages.info(
                request, gettext("The sender had been stopped; now it is tried again. Resume its campaigns.")
            )
        if senders.await_connection(obj):
            messages.info(
                request, gettext("Nothing can be sent before the mailbox is connected. Connect it below.")
            )

    def response_add(self, request: HttpRequest, obj: Sender, post_url_continue: str | None = None) -> Any:
        """What is saved but not connected yet is not done: stay with it."""
        if obj.state == Sender.State.RECONNECT and "_addanother" not in request.POST:
            return redirect("admin:campaigns_sender_change", obj.pk)
        return super().response_add(request, obj, post_url_continue)

    def _seal(self, obj: Sender, form: SenderForm) -> list[str]:
        """Encrypt what was entered and is secret; return the columns that it went into."""
        sealed = []
        if password := form.cleaned_data.get("password"):
            obj.set_password(password)
            sealed.append("sealed_password")
        moved = form.credentials_changed or {"esp", "api_url"}.intersection(form.changed_data)
        if obj.transport == Sender.Transport.ESP and moved:
            obj.set_credentials(form.credentials)
            sealed += ["sealed_credentials", "account_since"]
        return sealed
