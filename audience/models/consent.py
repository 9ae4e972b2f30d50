"""Consent and its opposite: what people agreed to, and addresses that must not be mailed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from audience.models.customer import PREFIX_SEARCHABLE, Customer
from audience.models.imports import CustomerImport
from audience.models.workspace import Workspace, WorkspaceModel


class ConsentRecord(WorkspaceModel):
    """One change of a person's consent, with its evidence. Append-only; audience.consent writes it.

    Its foreign keys carry no database constraint, as in the ledger: docs/decisions/0003.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", _("E-mail")
        SMS = "sms", _("SMS")

    class Source(models.TextChoices):
        IMPORT = "import", _("Import")
        STAFF = "staff", _("Staff")
        LINK = "link", _("Link in a mail")
        ONE_CLICK = "one_click", _("Mail program's unsubscribe button")
        API = "api", _("API")
        SIGN_UP = "sign_up", _("Sign-up form, confirmed")

    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, related_name="consents", db_constraint=False
    )
    email = models.CharField(max_length=254)
    channel = models.CharField(max_length=5, choices=Channel, default=Channel.EMAIL)
    granted = models.BooleanField(help_text=_("Yes: opted in. No: opted out."))
    source = models.CharField(max_length=10, choices=Source)
    evidence = models.CharField(
        max_length=1000, blank=True, help_text=_("What was shown or said, or where it is kept.")
    )
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    customer_import = models.ForeignKey(
        CustomerImport, models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False
    )
    at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        ordering = ["-id"]
        indexes = [
            # What somebody agreed to, by the address of then: searched for, handed out and erased.
            models.Index(fields=["workspace", "email"], name="consent_email", opclasses=PREFIX_SEARCHABLE),
            # Withdrawals outlive their customer: an import asks for them by address.
            models.Index(
                fields=["workspace", "email"], condition=models.Q(granted=False), name="consent_withdrawn"
            ),
            # Lists of the few: most consents are to e-mail and came in with a file.
            models.Index(fields=["workspace", "id"], condition=models.Q(channel="sms"), name="consent_sms"),
            models.Index(
                fields=["workspace", "source", "id"],
                condition=~models.Q(source="import"),
                name="consent_not_imported",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.channel} {'granted' if self.granted else 'withdrawn'}"


class Suppression(WorkspaceModel):
    """An address that must not be mailed in this workspace.

    Keyed by address, not by customer: it outlives the customer's deletion and re-import. Written by
    audience.suppression only.
    """

    class Reason(models.TextChoices):
        """Weakest first: a stronger reason replaces a weaker one, never the other way round."""

        SOFT_BOUNCE = "soft_bounce", _("Soft bounces")
        UNSUBSCRIBE = "unsubscribe", _("Unsubscribed")
        MANUAL = "manual", _("Added by staff")
        HARD_BOUNCE = "hard_bounce", _("Hard bounce")
        COMPLAINT = "complaint", _("Complaint")

    email = models.CharField(_("e-mail address"), max_length=254)
    reason = models.CharField(max_length=12, choices=Reason)
    note = models.CharField(max_length=300, blank=True, help_text=_("Why, in your own words."))
    created_at = models.DateTimeField(db_default=models.functions.Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"], name="suppression_once", opclasses=PREFIX_SEARCHABLE
            ),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="suppression_email_normalised"
            ),
        ]

    def __str__(self) -> str:
        return self.email
