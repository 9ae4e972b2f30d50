"""How fast a sender may send: its limits as sentences in a table, and its warm-up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline, TabularInline
from unfold.forms import PaginationInlineFormSet

from audience import access
from campaigns.models import Sender, SenderLimit, WarmUp


class OfSender:
    """Who may read or edit the sender may do so with what hangs on it."""

    def has_view_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        return access.may_view(request.user, obj.workspace_id if obj else None)

    def has_add_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        return access.may_edit(request.user, obj.workspace_id if obj else None)

    def has_delete_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        return self.has_change_permission(request, obj)


class LimitForm(forms.ModelForm):
    class Meta:
        # The heads of the table; with its cells they read as "at most 500 per hour to Gmail".
        labels = {"mails": "at most", "period": "per", "mailbox_provider": "to"}


class LimitsFormSet(PaginationInlineFormSet):
    def add_fields(self, form: Any, index: int | None) -> None:
        """The cells of a table have no labels to see: their names are said to those who listen."""
        super().add_fields(form, index)
        for name, label in LimitForm.Meta.labels.items():
            if name in form.fields:
                form.fields[name].widget.attrs["aria-label"] = label.capitalize()

    def get_unique_error_message(self, unique_check: Any) -> str:
        return gettext("Two limits are for the same period and mailbox provider. Delete one of them.")


class LimitsInline(OfSender, TabularInline):
    model = SenderLimit
    form = LimitForm
    formset = LimitsFormSet
    fields = ("mails", "period", "mailbox_provider")
    extra = 0
    hide_title = True
    verbose_name_plural = _("Limits, counted over all workers")


class WarmUpForm(forms.ModelForm):
    def has_changed(self) -> bool:
        """A new warm-up counts though nothing was typed: it was asked for, and the defaults are good."""
        return self.instance._state.adding or super().has_changed()


class WarmUpInline(OfSender, StackedInline):
    model = WarmUp
    form = WarmUpForm
    fields = (("first_day", "growth", "target"), "state")
    readonly_fields = ("state",)
    extra = 0
    max_num = 1
    hide_title = True
    verbose_name_plural = _("Warm-up of a new sender")
    # The curve of what is being typed; delivery serves it.
    template_after = "admin/campaigns/sender/warm_up_curve.html"

    def state(self, shown: WarmUp) -> str:
        """How far the warm-up is as it is stored; what the form shows may make no sense yet."""
        warm_up = WarmUp.objects.filter(pk=shown.pk).first() or WarmUp()
        if warm_up.is_done:
            return gettext("Done: {target:,} a day from now on. Delete the warm-up to lift the cap.").format(
                target=warm_up.target
            )
        if warm_up.held:
            return gettext("Held at {daily_cap:,} a day. {held}").format(
                daily_cap=warm_up.daily_cap, held=warm_up.held
            )
        if not warm_up.step:
            return gettext("Begins with the first mail; the cap rises after each day (UTC) that went well.")
        return gettext("Day {day:,} of {days:,}: {daily_cap:,} mails.").format(
            day=warm_up.step + 1, days=len(warm_up.curve()), daily_cap=warm_up.daily_cap
        )
