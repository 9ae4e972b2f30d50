"""Customers and the attributes that describe them."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from audience.models.workspace import Workspace, WorkspaceModel, validate_time_zone

# PostgreSQL: an index on a workspace and an address that also serves LIKE 'ada%', in any collation.
PREFIX_SEARCHABLE = ["int8_ops", "varchar_pattern_ops"]
ATTRIBUTE_NAME = r"[a-z][a-z0-9_]{0,62}"


class Attribute(WorkspaceModel):
    """An attribute that customers of a workspace may have, and its type.

    The allow-list of names for segments and templates. Written by imports and staff; the type never
    changes, since the stored values are of it.
    """

    class Type(models.TextChoices):
        TEXT = "text", _("Text")
        NUMBER = "number", _("Number")
        DATE = "date", _("Date")
        BOOLEAN = "boolean", _("Yes or no")

    name = models.CharField(
        max_length=63,
        validators=[
            RegexValidator(
                rf"^{ATTRIBUTE_NAME}\Z", _("Use lower-case letters, digits and _, beginning with a letter.")
            )
        ],
        help_text=_("As written in templates: customer.<name>."),
    )
    type = models.CharField(max_length=10, choices=Type)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="attribute_once")]

    def __str__(self) -> str:
        return self.name


class Customer(WorkspaceModel):
    """One person in a workspace's audience, unique by normalised address.

    Written by imports, staff and the API through audience.customers; `subscribed` and
    `sms_subscribed` only through audience.consent, which keeps the evidence.
    """

    # Without an index of its own: the constraint and the index below begin with it.
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="+", db_index=False)
    email = models.CharField(_("e-mail address"), max_length=254)
    # True when the address is real but no transport can mail it (audience.addresses says why).
    unmailable = models.BooleanField(
        default=False, editable=False, help_text=_("The address cannot be mailed by any sender.")
    )
    external_id = models.CharField(
        max_length=100, blank=True, help_text=_("This person's id in your own shop or CRM.")
    )
    name = models.CharField(max_length=200, blank=True)
    phone = models.CharField(max_length=32, blank=True)
    subscribed = models.BooleanField(
        _("e-mail opt-in"), default=False, help_text=_("Agreed to marketing by e-mail.")
    )
    sms_subscribed = models.BooleanField(
        _("SMS opt-in"), default=False, help_text=_("Agreed to marketing by SMS.")
    )
    tracked = models.BooleanField(
        _("track opens and clicks"),
        default=True,
        db_default=True,
        help_text=_("Off: this person's mails carry neither tracked links nor a pixel."),
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text=_("IANA name such as Europe/Berlin. Empty: the workspace's."),
    )
    language = models.CharField(max_length=16, blank=True, help_text=_("Such as en or de-AT."))
    # Values as JSON of their Attribute's type; dates as YYYY-MM-DD. An unknown value has no key.
    attributes = models.JSONField(default=dict, blank=True)
    # The hour of their own clock at which this person is best mailed; None: that of the workspace.
    # Learnt downstream, written by audience.best_hours only.
    best_hour = models.PositiveSmallIntegerField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"], name="customer_once", opclasses=PREFIX_SEARCHABLE
            ),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="customer_email_normalised"
            ),
            models.CheckConstraint(condition=models.Q(best_hour__lte=23), name="customer_best_hour"),
        ]
        indexes = [
            # Filling pages through one workspace's customers by id. Beside these, the list's search has
            # indexes of PostgreSQL's own (audience.search, migration 0009).
            models.Index(fields=["workspace", "id"], name="customer_page"),
            # Lists of the few: without them a list without any would look at everybody.
            models.Index(
                fields=["workspace", "id"], condition=models.Q(subscribed=False), name="customer_not_opted_in"
            ),
            models.Index(
                fields=["workspace", "id"], condition=models.Q(sms_subscribed=True), name="customer_sms"
            ),
            models.Index(
                fields=["workspace", "id"], condition=models.Q(unmailable=True), name="customer_unmailable"
            ),
            models.Index(
                fields=["workspace", "external_id"],
                condition=~models.Q(external_id=""),
                name="customer_external_id",
            ),
        ]

    def __str__(self) -> str:
        return self.email
