"""Customers and their attributes. Saving goes through audience.customers and audience.consent."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextInputWidget,
)

from audience import access, consent, customers
from audience import attributes as typed
from audience.addresses import InvalidAddress, normalise
from audience.admin.audit import Audited, AuditedDeletion
from audience.admin.base import ReadOnly, WorkspaceAdmin, WorkspaceForm, user_of
from audience.admin.search import AddressSearch
from audience.models import Attribute, ConsentRecord, Customer, Segment, Suppression

PREFIX = "attribute_"
FLAGS = {"subscribed": ConsentRecord.Channel.EMAIL, "sms_subscribed": ConsentRecord.Channel.SMS}
PLAIN_FIELDS = ("name", "external_id", "phone", "time_zone", "language")
SHOWN_CONSENTS = 20
BOOLEAN_CHOICES = [("", _("not known")), ("true", _("yes")), ("false", _("no"))]


class CustomerForm(WorkspaceForm):
    """One customer: plain fields, consent with its evidence, and a field per attribute."""

    evidence = forms.CharField(
        label=_("Evidence"),
        required=False,
        max_length=consent.MAX_EVIDENCE,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Needed to opt somebody in: where and how did this person agree? It is kept for good."),
    )

    class Meta(WorkspaceForm.Meta):
        help_texts = {"time_zone": _("IANA name such as Europe/Berlin. It may be empty.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.sole and "time_zone" in self.fields:
            zone = self.sole.time_zone
            self.fields["time_zone"].help_text = f"IANA name such as Europe/Berlin. Empty: {zone}."

    def clean_email(self) -> str:
        try:
            email = normalise(self.cleaned_data["email"])
        except InvalidAddress as error:
            raise ValidationError(str(error)) from error
        same = Customer.objects.filter(workspace=self.workspace, email=email).exclude(pk=self.instance.pk)
        if self.workspace is not None and same.exists():
            raise ValidationError(
                gettext("{email} is a customer already. Search the list for that one.").format(email=email)
            )
        return email

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name in customers.CLEANERS.keys() & cleaned.keys():
            try:
                cleaned[name] = customers.clean(name, cleaned[name])
            except ValueError as error:
                self.add_error(name, f"{error}.")
        self._check_attributes()
        opts_in = any(cleaned.get(flag) and flag in self.changed_data for flag in FLAGS)
        if opts_in and not cleaned.get("evidence", "").strip():
            self.add_error(
                "evidence", gettext("Say where and how this person agreed, or leave the opt-in off.")
            )
        return cleaned

    def attributes(self) -> dict[str, Any]:
        """The attributes that were changed, by their names; empty ones are to be removed."""
        changed = {name for name in self.changed_data if name.startswith(PREFIX)}
        return {
            name.removeprefix(PREFIX): self.cleaned_data[name] for name in changed & self.cleaned_data.keys()
        }

    def _check_attributes(self) -> None:
        try:
            if self.workspace is not None:
                typed.check(self.workspace, self.attributes())
        except ValidationError as error:
            for message in error.messages:
                name, _, what = message.partition(": ")
                self.add_error(PREFIX + name, what)


def label_of(attribute: Attribute) -> str:
    """first_order as First order."""
    return attribute.name.replace("_", " ").capitalize()


def attribute_field(attribute: Attribute, value: Any) -> forms.Field:
    """A form field for one attribute. Text throughout: audience.attributes says what fits its type."""
    label = label_of(attribute)
    if attribute.type == Attribute.Type.BOOLEAN:
        initial = "" if value is None else str(value).lower()
        widget = UnfoldAdminSelectWidget()
        return forms.ChoiceField(
            label=label, required=False, initial=initial, choices=BOOLEAN_CHOICES, widget=widget
        )
    widgets = {
        Attribute.Type.NUMBER: UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        Attribute.Type.DATE: UnfoldAdminSingleDateWidget(attrs={"placeholder": "YYYY-MM-DD"}),
        Attribute.Type.TEXT: UnfoldAdminTextInputWidget(),
    }
    initial = "" if value is None else value
    return forms.CharField(
        label=label, required=False, initial=initial, widget=widgets[Attribute.Type(attribute.type)]
    )


@admin.register(Customer)
class CustomerAdmin(AuditedDeletion, AddressSearch, WorkspaceAdmin):
    deletion = _(
        "The ledger remembers what was sent, and a suppression of the address stays if there is one."
    )
    form = CustomerForm
    list_display = ("email", "name", "subscribed", "sms_subscribed", "created_at")
    list_filter = ("subscribed", "sms_subscribed", "unmailable")
    search_help_text = _("An address, how it begins, or an external id")
    also_exactly = ("external_id",)
    fieldsets = (
        (None, {"fields": ["email", *PLAIN_FIELDS]}),
        (_("Consent"), {"fields": ["subscribed", "sms_subscribed", "evidence", "tracked"]}),
    )
    change_form_before_template = "admin/audience/customer/facts.html"
    change_form_outer_after_template = "admin/audience/customer/consents.html"

    def get_fieldsets(self, request: HttpRequest, obj: Customer | None = None) -> list[Any]:
        names = [PREFIX + attribute.name for attribute in self._attributes(request, obj)]
        if names:
            hint = ""
        elif obj is None:
            hint = gettext("Save the customer first; then the attributes can be filled in.")
        else:
            hint = gettext(
                "There are no attributes yet. An import brings its own, or add one under Attributes."
            )
        return [
            *super().get_fieldsets(request, obj),
            (gettext("Attributes"), {"fields": names, "description": hint}),
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        values = obj.attributes if obj else {}
        attributes = self._attributes(request, obj)
        fields = {PREFIX + row.name: attribute_field(row, values.get(row.name)) for row in attributes}
        # For those who may only read, whose page has no such fields.
        kwargs["labels"] = {PREFIX + row.name: label_of(row) for row in attributes}
        kwargs["form"] = type("CustomerForm", (CustomerForm,), fields)
        return super().get_form(request, obj, change, **kwargs)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The customer, with the attributes where the page for those who may only read finds them."""
        customer = super().get_object(request, object_id, from_field)
        if customer is not None:
            for name, value in customer.attributes.items():
                setattr(customer, PREFIX + name, value)
        return customer

    def audited_name(self, obj: Customer) -> str:
        """The log holds no addresses."""
        return f"Customer {obj.pk}"

    def save_model(self, request: HttpRequest, obj: Customer, form: CustomerForm, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in PLAIN_FIELDS}
        saved = customers.save_customer(
            obj.workspace,
            email=form.cleaned_data["email"],
            customer=obj if change else None,
            attributes=form.attributes(),
            tracked=form.cleaned_data["tracked"],
            **fields,
        )
        obj.pk = saved.pk
        for flag in FLAGS.keys() & set(form.changed_data):
            act = consent.subscribe if form.cleaned_data[flag] else consent.unsubscribe
            act(
                saved,
                channel=FLAGS[flag],
                source=ConsentRecord.Source.STAFF,
                evidence=form.cleaned_data["evidence"],
                actor=user_of(request),
            )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        if obj is not None:
            context["suppression"] = Suppression.objects.of(obj.workspace).filter(email=obj.email).first()
            context["consents"] = obj.consents.select_related("actor")[:SHOWN_CONSENTS]
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def _attributes(self, request: Any, obj: Customer | None) -> list[Attribute]:
        """The attributes that the form has fields for; those of a new customer when that is clear."""
        workspace = obj.workspace if obj else access.sole_workspace(request.user)
        if workspace is None:
            return []
        if not hasattr(request, "attributes_of_form"):
            request.attributes_of_form = list(Attribute.objects.of(workspace))
        attributes: list[Attribute] = request.attributes_of_form
        return attributes


class AttributeForm(WorkspaceForm):
    class Meta(WorkspaceForm.Meta):
        help_texts = {"name": _("Templates say it as {{ customer.name_of_it }}. It cannot be changed later.")}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name in customers.OWN_FIELDS:
            raise ValidationError(
                gettext("Every customer has “{name}” already. Choose another name.").format(name=name)
            )
        return name


@admin.register(Attribute)
class AttributeAdmin(Audited, WorkspaceAdmin):
    form = AttributeForm
    list_display = ("name", "type", "created_at")
    list_filter = ("type",)
    search_fields = ("name",)
    fields = ("name", "type")
    change_form_before_template = "admin/audience/attribute/used_by.html"
    ordering = ("name",)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: the stored values are of the type, and templates and segments say the name."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Attribute | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and self._segments_with(obj))

    def _segments_with(self, attribute: Attribute) -> list[str]:
        wanted = f'"attributes.{attribute.name}"'
        segments = Segment.objects.of(attribute.workspace).only("name", "criteria")
        return [segment.name for segment in segments if wanted in json.dumps(segment.criteria)]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        if obj is not None and (used := self._segments_with(obj)):
            names = ", ".join(used[:10])
            context["used_by"] = gettext("Segments ask for it, so it cannot be deleted: {names}").format(
                names=names
            )
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


@admin.register(ConsentRecord)
class ConsentRecordAdmin(ReadOnly, AddressSearch, WorkspaceAdmin):
    list_display = ("email", "channel", "granted", "source", "at")
    list_filter = ("channel", "granted", "source")
    list_select_related = ("customer",)
    fields = (
        "email", "channel", "granted", "source", "evidence", "ip_address", "actor", "customer_import", "at"
    )  # fmt: skip
