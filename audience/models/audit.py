"""The audit log: who did what, from where, and what it was before."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from audience.models.workspace import Workspace, WorkspaceQuerySet


class AuditEntry(models.Model):
    """One thing that was done. Written by audience.audit, changed and deleted by nobody (triggers see to it).

    It outlives what it speaks of, so it names it instead of pointing to it; only the workspace, which
    nobody deletes, is a key. It holds neither secrets nor addresses of customers.
    """

    at = models.DateTimeField(db_default=Now(), editable=False)
    # None: it concerns the whole installation.
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="+", null=True)
    action = models.CharField(max_length=40)
    actor_id: Any = models.BigIntegerField(null=True)
    actor_name = models.CharField(_("who"), max_length=150, blank=True)
    door = models.CharField(_("through"), max_length=200, help_text=_("The page, command or worker."))
    ip = models.GenericIPAddressField(_("from"), null=True)
    thing = models.CharField(max_length=60, blank=True)
    thing_id = models.BigIntegerField(null=True)
    name = models.CharField(_("what"), max_length=200, blank=True)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)

    objects: ClassVar[Any] = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("entry of the audit log")
        verbose_name_plural = _("audit log entries")
        indexes = [
            models.Index(fields=["workspace", "-id"], name="audit_newest"),
            models.Index(fields=["thing", "thing_id"], name="audit_of_thing"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.name}".strip()
