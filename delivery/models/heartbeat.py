"""The life signs of the processes that make the engine."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Heartbeat(models.Model):
    """One row per process of the engine that lives or lately did. delivery.heartbeats writes it."""

    class Kind(models.TextChoices):
        # Rings the doorbell: beat, cron.
        SCHEDULER = "scheduler", _("Scheduler")
        WORKER = "worker", _("Worker")

    name = models.CharField(max_length=80, primary_key=True)
    kind = models.CharField(max_length=9, choices=Kind)
    # What it is doing, in words for people.
    doing = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["kind", "name"]

    def __str__(self) -> str:
        return f"{self.name}, seen at {self.seen_at}"
