"""Sign-up forms: made and changed by editors, with the way to put them into a site beside each."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from audience.admin.audit import Audited
from audience.admin.base import WorkspaceAdmin, WorkspaceForm
from audience.models import Attribute, Workspace
from campaigns.models import Sender
from delivery.models import SignupForm
from delivery.signups import fields, links, numbers

NO_ATTRIBUTES = _("There are no text attributes yet. Add one under Attributes, and it can be asked for.")
SAVE_FIRST = _("Save the form first; then attributes can be chosen.")


class SignupFormForm(WorkspaceForm):
    """What the form says and asks, and the mail that it leads to."""

    attributes = forms.MultipleChoiceField(
        label=_("Also ask for"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget()
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "attributes" in self.fields:
            self._offer_attributes(self.workspace)
        if "sender" in self.fields and self.workspace and not self.instance.pk:
            usable = Sender.objects.of(self.workspace).usable()[:2]
            self.initial.setdefault("sender", usable[0].pk if len(usable) == 1 else None)

    def _offer_attributes(self, workspace: Workspace | None) -> None:
        """The text attributes of the workspace, which a new form may not have yet."""
        field: Any = self.fields["attributes"]
        texts = Attribute.objects.of(workspace).filter(type=Attribute.Type.TEXT) if workspace else []
        field.choices = [(row.name, fields.label(row.name)) for row in texts]
        if not field.choices:
            field.help_text = NO_ATTRIBUTES if workspace else SAVE_FIRST


@admin.register(SignupForm)
class SignupFormAdmin(Audited, WorkspaceAdmin):
    deletion = _(
        "Nobody can sign up by it any more, also where it stands in other sites, and links that wait in "
        "people's mailboxes stop working. Who has confirmed stays a customer."
    )
    form = SignupFormForm
    list_display = ("name", "is_on", "asked", "confirmed", "sender")
    list_filter = ("is_on",)
    list_select_related = ("sender",)
    search_fields = ("name", "heading")
    search_help_text = _("Part of the name or heading")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ["name", "is_on"]}),
        (_("The page"), {"fields": ["heading", "text", "asks_name", "attributes", "consent", "thanks_url"]}),
        (_("The mail that asks to confirm"), {"fields": ["sender", "subject", "body", "hourly_limit"]}),
    )
    change_form_before_template = "admin/delivery/signupform/numbers.html"
    change_form_outer_after_template = "admin/delivery/signupform/share.html"

    def get_fieldsets(self, request: HttpRequest, obj: SignupForm | None = None) -> list[Any]:
        """For those who only read, attributes as words."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        words = {"attributes": "attributes_in_words"}
        return [
            (title, {**options, "fields": [words.get(name, name) for name in options["fields"]]})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: SignupForm | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "attributes_in_words"]

    @display(description=_("Also asks for"))
    def attributes_in_words(self, form: SignupForm) -> str:
        return ", ".join(fields.label(name) for name in form.attributes)

    def save_model(self, request: HttpRequest, obj: SignupForm, form: SignupFormForm, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if change and "consent" in form.changed_data:
                fields.keep_wording(obj, form.initial["consent"])

    def response_add(self, request: HttpRequest, obj: SignupForm, *args: Any) -> Any:
        """What follows is putting it into a site: stay with it."""
        if "_addanother" in request.POST:
            return super().response_add(request, obj, *args)
        self.message_user(
            request, gettext("“{obj}” is made. Below is how it comes into your site.").format(obj=obj)
        )
        return redirect("admin:delivery_signupform_change", obj.pk)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        if obj is not None:
            context |= {
                "numbers": numbers.of(obj),
                "address": links.page_url(obj),
                "snippet": fields.snippet(obj),
                "frame_snippet": fields.frame(obj),
                "is_local": fields.is_local(),
            }
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)
