"""When a mail in doubt is looked up next."""

from __future__ import annotations

from django.db import models

from delivery.models.sendlog import SendLog


class LookUp(models.Model):
    """An unknown mail that its sender's mailbox can be asked about; delivery.doubts writes it."""

    sendlog = models.OneToOneField(
        SendLog, models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    due_at = models.DateTimeField()
    # Looks taken so far.
    tries = models.SmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="look_up_due")]

    def __str__(self) -> str:
        return f"{self.tries} looks, next at {self.due_at}"
