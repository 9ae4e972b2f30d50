"""How far a campaign is."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.models import Campaign


class Progress(models.Model):
    """One row per campaign: how far filling has come, and how many ledger rows ended in which way.

    The sums move in the transaction that moves the rows, a batch at a time, so that a page shows a
    campaign of a million without counting a million. delivery.progress writes it.
    """

    campaign = models.OneToOneField(Campaign, models.CASCADE, primary_key=True, related_name="+")
    # Customers up to this id have been considered; `filled_at` says that all have.
    cursor = models.BigIntegerField(default=0)
    filled_at = models.DateTimeField(null=True)
    matched = models.IntegerField(default=0)
    sent = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    suppressed = models.IntegerField(default=0)
    cancelled = models.IntegerField(default=0)
    unknown = models.IntegerField(default=0)

    class Meta:
        verbose_name_plural = _("progress")

    def __str__(self) -> str:
        return f"{self.sent} of {self.matched} sent"

    @property
    def done(self) -> int:
        """Rows that have come to an end, unknown ones included."""
        return self.sent + self.failed + self.suppressed + self.cancelled + self.unknown

    @property
    def remaining(self) -> int:
        return self.matched - self.done
