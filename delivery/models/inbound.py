"""Reports of providers as they came in, and the doors that they come in by."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models import Workspace, WorkspaceQuerySet
from campaigns.models import Sender


class Hook(models.Model):
    """A sender's webhook: the address at which its e-mail service reports. delivery.inbound.hooks writes it.

    The secret in the address, and the key that the service signs with, are encrypted in `sealed_secrets`.
    """

    sender = models.OneToOneField(Sender, models.CASCADE, primary_key=True, related_name="+")
    public_id = models.CharField(max_length=16, unique=True)
    sealed_secrets = models.TextField()
    created_at = models.DateTimeField(db_default=models.functions.Now())

    def __str__(self) -> str:
        return self.public_id


class Inbound(models.Model):
    """One call of a provider's webhook, or one mail that came back, byte for byte.

    delivery.inbound.inbox writes it: stored before it is read, processed once, kept REPORTS_KEEP_DAYS.
    """

    workspace = models.ForeignKey(
        Workspace, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    # The only one whose mails it can be about.
    sender = models.ForeignKey(Sender, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    # One of campaigns.esps, or "mail".
    service = models.CharField(max_length=20)
    # Those that are needed to read the body; no signatures, no credentials.
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    # Equal for a call that is repeated.
    digest = models.CharField(max_length=32)
    received_at = models.DateTimeField(_("received"), db_default=models.functions.Now())
    # Not processed before this moment; moves with every attempt.
    due_at = models.DateTimeField(db_default=models.functions.Now())
    attempts = models.SmallIntegerField(db_default=0)
    # With an error: given up.
    processed_at = models.DateTimeField(_("processed"), null=True)
    error = models.TextField(db_default="", blank=True)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("provider report")
        constraints = [models.UniqueConstraint(fields=["sender", "digest"], name="inbound_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(processed_at=None), name="inbound_waiting"),
            models.Index(fields=["sender", "id"], name="inbound_of_sender"),
            models.Index(fields=["workspace", "received_at"], name="inbound_of_workspace"),
            models.Index(fields=["received_at"], name="inbound_received"),
            models.Index(fields=["received_at"], condition=~models.Q(error=""), name="inbound_failed"),
        ]

    def __str__(self) -> str:
        return f"Report {self.pk}"
