"""What delivery knows about a sender: its circuit breaker and its day's sums."""

from __future__ import annotations

from django.db import models

from campaigns.models import Sender


class Circuit(models.Model):
    """The circuit breaker of a sender that has failed; no row: all is well. delivery.breaker writes it.

    Until `retry_at` nothing is handed over. Then one worker, which moves `retry_at` on, tries a
    single mail, and its answer closes the circuit (the row goes) or opens it for longer.
    """

    sender = models.OneToOneField(Sender, models.CASCADE, primary_key=True, related_name="+")
    # Failures in a row of the whole way to the provider, not of single mails.
    failures = models.IntegerField(default=0)
    retry_at = models.DateTimeField()
    error = models.TextField(blank=True)
    since = models.DateTimeField(db_default=models.functions.Now())

    def __str__(self) -> str:
        return f"{self.failures} failures, next try at {self.retry_at}"


class SenderDay(models.Model):
    """What one sender did on one day (UTC); the sums move with the ledger rows that they count."""

    sender = models.ForeignKey(Sender, models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    sent = models.IntegerField(default=0)
    bounced = models.IntegerField(default=0)
    complained = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sender", "day"], name="sender_day_once")]

    def __str__(self) -> str:
        return f"{self.sent} sent on {self.day}"
