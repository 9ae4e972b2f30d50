"""Pictures that mails show and this site serves."""

from __future__ import annotations

from secrets import token_urlsafe

from django.conf import settings
from django.db import models

from audience.models import WorkspaceModel


def new_token() -> str:
    return token_urlsafe(18)


class Image(WorkspaceModel):
    """A picture under a public address that nobody can guess. Never changes, so that sent mails keep it.

    Written by campaigns.images, which looks at the bytes; equal bytes share a row.
    """

    class Kind(models.TextChoices):
        PNG = "png", "PNG"
        JPEG = "jpg", "JPEG"
        GIF = "gif", "GIF"

    token = models.CharField(max_length=24, unique=True, default=new_token)
    # SHA-256 of the data, in hexadecimal.
    digest = models.CharField(max_length=64)
    kind = models.CharField(max_length=4, choices=Kind)
    name = models.CharField(max_length=150)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    data = models.BinaryField()
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="image_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def file_name(self) -> str:
        """The last part of its public address."""
        return f"{self.token}.{self.kind}"
