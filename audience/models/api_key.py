"""Keys of the HTTP API, and the answers that it has given."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models.workspace import WorkspaceModel


class ApiKey(WorkspaceModel):
    """A key by which a program acts in one workspace, in the name of one of its members.

    Of the key itself only a digest is kept (audience.api_keys writes it). It may what its scopes say, and
    never more than its member may at that moment; without a membership, nothing.
    """

    name = models.CharField(max_length=100, help_text=_("What uses it, for your own eyes."))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    # The beginning of the key, by which it is found and by which people tell keys apart.
    prefix = models.CharField(_("begins with"), max_length=20, unique=True, editable=False)
    # SHA-256 of the key, in hexadecimal. Nobody guesses 256 random bits: nothing slower is needed.
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)
    # Written once a minute at most.
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("API key")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at this moment."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class StoredAnswer(models.Model):
    """The answer to one request of an API key, kept for a day under the name that the caller gave it.

    Written by audience.idempotency, in the transaction of what the request did. Without a status: the
    request is on its way, or died on it.
    """

    api_key = models.ForeignKey(ApiKey, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=255)
    # Of method, address and body: another request must not use the name.
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "name"], name="stored_answer_once")]
        indexes = [models.Index(fields=["created_at"], name="stored_answer_age")]

    def __str__(self) -> str:
        return self.name
