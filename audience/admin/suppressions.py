"""The list of addresses that must not be mailed. Written through audience.suppression only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from audience import access
from audience.addresses import InvalidAddress, normalise
from audience.admin.base import WorkspaceAdmin, WorkspaceChoice, user_of
from audience.admin.search import AddressSearch
from audience.models import Suppression
from audience.suppression import MAX_NOTE, lift, suppress_many

SHOWN_ERRORS = 5


class SuppressForm(WorkspaceChoice):
    """Any number of addresses, one a line; all are taken or none."""

    addresses = forms.CharField(
        label=_("Addresses"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "autofocus": True}),
        help_text=_("One a line. These people get no mail any more, also none that is queued already."),
    )
    note = forms.CharField(
        required=False,
        max_length=MAX_NOTE,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Why, in your own words: who asked for it, and when."),
    )

    def clean_addresses(self) -> list[str]:
        found, errors = [], []
        for number, line in enumerate(self.cleaned_data["addresses"].splitlines(), 1):
            try:
                found += [normalise(line)] if line.strip() else []
            except InvalidAddress as error:
                errors.append(gettext("Line {number}: {error}").format(number=number, error=error))
        if len(errors) > SHOWN_ERRORS:
            errors[SHOWN_ERRORS:] = [
                gettext("And {number} more lines like these.").format(number=len(errors) - SHOWN_ERRORS)
            ]
        if errors:
            raise ValidationError(errors)
        return found


@admin.register(Suppression)
class SuppressionAdmin(AddressSearch, WorkspaceAdmin):
    list_display = ("email", "reason", "note", "created_at")
    list_filter = ("reason",)
    fields = ("email", "reason", "note", "created_by", "created_at")
    readonly_fields = ("created_at",)
    change_form_outer_after_template = "admin/audience/suppression/lift_button.html"

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = SuppressForm(
            request.POST or None,
            workspaces=self.editable_workspaces(request),
            sole=access.sole_workspace(request.user),
        )
        if form.is_valid():
            addresses = form.cleaned_data["addresses"]
            written = suppress_many(
                form.chosen_workspace(),
                addresses,
                Suppression.Reason.MANUAL,
                note=form.cleaned_data["note"],
                actor=user_of(request),
            )
            known = len(set(addresses)) - written
            words = gettext("{number:,} addresses will get no mail any more.").format(number=written)
            if known:
                words += " " + gettext("{number:,} were on the list already.").format(number=known)
            messages.success(request, words)
            return redirect("admin:audience_suppression_changelist")
        context = {**self.admin_site.each_context(request), "opts": self.opts, "form": form}
        context |= {
            "title": gettext("Suppress addresses"),
            "submit_words": gettext("Suppress"),
            "back": self.changelist_url(),
        }
        return TemplateResponse(request, "admin/simple_form.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context |= {"show_delete": False, "may_lift": self.has_delete_permission(request, obj)}
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        suppression = self.get_object(request, object_id)
        if suppression is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_delete_permission(request, suppression):
            raise PermissionDenied
        if request.method == "POST":
            return self._lift(request, suppression)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "object": suppression}
        context |= {
            "title": gettext("Lift the suppression of {email}?").format(email=suppression.email),
            "back": self.changelist_url(),
        }
        return TemplateResponse(request, "admin/audience/suppression/lift.html", context)

    def _lift(self, request: HttpRequest, suppression: Suppression) -> HttpResponse:
        suppression.reason = request.POST.get("reason", "")
        if lift(suppression, user_of(request)):
            messages.success(
                request,
                gettext("{email} is off the list, and is mailed again only if opted in to e-mail.").format(
                    email=suppression.email
                ),
            )
        else:
            messages.error(
                request,
                gettext("{email} has changed in the meantime. Look at it again.").format(
                    email=suppression.email
                ),
            )
        return redirect(self.changelist_url())
