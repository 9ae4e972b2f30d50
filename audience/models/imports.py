"""Imports of customers from a file."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models.workspace import WorkspaceModel


class CustomerImport(WorkspaceModel):
    """One file of customers being taken in. Written by audience.imports only.

    `position` and `line` say how far the file has been read; they move in the transaction that
    writes the customers, so a stopped import goes on where it was.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")

    name = models.CharField(_("file name"), max_length=255)
    file = models.CharField(max_length=500, editable=False, help_text=_("Path of the stored file."))
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    # Column header -> "email", another customer field, "attributes.<name>", or "" to leave out.
    mapping = models.JSONField(default=dict)
    # True when the person who imports vouches that these people opted in to e-mail.
    subscribe = models.BooleanField(
        default=False,
        help_text=_("These people agreed to marketing by e-mail. Nobody who unsubscribed is opted in again."),
    )
    consent_note = models.CharField(
        max_length=300, blank=True, help_text=_("Where and how they agreed; kept as evidence.")
    )
    size = models.BigIntegerField(default=0, help_text=_("Bytes in the file."))
    position = models.BigIntegerField(default=0, help_text=_("Bytes read so far."))
    line = models.BigIntegerField(default=0, help_text=_("Lines read so far."))
    created = models.BigIntegerField(_("new customers"), default=0)
    updated = models.BigIntegerField(_("updated customers"), default=0)
    rejected = models.BigIntegerField(_("rejected rows"), default=0)
    kept_out = models.BigIntegerField(
        default=0, help_text=_("Rows of people who are suppressed or unsubscribed and stay so.")
    )
    # Bytes of the file of rejected rows that belong to what has been committed.
    rejected_size = models.BigIntegerField(default=0, editable=False)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # Moves with every chunk; a running import that has been silent for long was killed.
    progressed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("import")

    def __str__(self) -> str:
        return self.name
