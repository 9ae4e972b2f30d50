"""What is known about when people react. analytics.send_time.learn writes it each night."""

from __future__ import annotations

from django.db import models

from audience.models import Customer, Workspace, WorkspaceModel


class SendProfile(models.Model):
    """When the audience of a workspace reacts, as it was learnt last, on the customers' own clocks."""

    workspace = models.OneToOneField(Workspace, models.CASCADE, primary_key=True, related_name="+")
    # analytics.send_time.model.Audience: 168 hours of the week, 48 hours after a mail, and the level.
    habit = models.JSONField()
    freshness = models.JSONField()
    rate = models.FloatField()
    # What the audience's habit counts against a person's own; large: people are alike.
    strength = models.FloatField()
    # How much of what habits promise the campaigns have shown, as an exponent.
    comes_true = models.FloatField()
    # Responses by hour of the week as they may be, as 32-bit floats, a row each.
    draws = models.BinaryField()
    # What it was learnt from, recent ones counting more.
    campaigns = models.IntegerField()
    reactions = models.FloatField()
    # Whether that is enough to say when a campaign should start.
    is_enough = models.BooleanField()
    # The audience's shares by time zone.
    zones = models.JSONField()
    # Customers with an hour of their own, and by how much it is better for them on average.
    own_hours = models.IntegerField(default=0)
    own_gain = models.FloatField(default=0)
    computed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"When people of {self.workspace} react"


class SendTime(WorkspaceModel):
    """A customer for whom another hour than the audience's is better; nobody else has a row."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    # Without a constraint: a customer may be deleted while the row is written. The next night removes it.
    customer = models.OneToOneField(
        Customer, models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    # Of the day, on the customer's own clock.
    hour = models.PositiveSmallIntegerField()
    # By how much more they react than at the audience's hour: 0.2 is a fifth.
    gain = models.FloatField()
    # What it was learnt from, recent ones counting more.
    reactions = models.FloatField()
    computed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.customer_id} at {self.hour}:00"
