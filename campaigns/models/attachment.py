"""Files that mails carry: the bytes once, what a template attaches, and what a running campaign sends."""

from __future__ import annotations

from django.db import models

from audience.models import WorkspaceModel
from campaigns.models.template import Content, Template


class AttachedFile(WorkspaceModel):
    """The bytes of a file that mails carry. Never changes; equal bytes share a row.

    Written when a file is attached to a template, deleted with the last that names it
    (campaigns.attachments).
    """

    # SHA-256 of the data, in hexadecimal.
    digest = models.CharField(max_length=64)
    content_type = models.CharField(max_length=50)
    size = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="attached_file_once")]

    def __str__(self) -> str:
        return f"{self.content_type}, {self.size:,} bytes"


class Enclosed(models.Model):
    """A file under the name that its recipients see."""

    file = models.ForeignKey(AttachedFile, models.PROTECT, related_name="+")
    name = models.CharField(max_length=150)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Attachment(Enclosed):
    """A file that a template attaches to its mails. People add and remove it."""

    template = models.ForeignKey(Template, models.CASCADE, related_name="attachments")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["template", "name"], name="attachment_once")]


class ContentAttachment(Enclosed):
    """A file that frozen content attaches. Written with the content; never changes."""

    content = models.ForeignKey(Content, models.CASCADE, related_name="attachments")

    class Meta:
        ordering = ["id"]
