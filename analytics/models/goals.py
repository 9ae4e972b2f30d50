"""What people did elsewhere after a mail, counted towards its campaign's goal."""

from __future__ import annotations

from django.db import models

from analytics.models.sums import upstream
from audience.models import Workspace
from campaigns.models import Campaign
from delivery.models import SendLog

# Sums of a property are kept in whole thousandths, so that they come to the same in any order.
THOUSANDTHS = 1_000


class Goal(models.Model):
    """That a mail's goal was reached, and when first: one row per mail and basis.

    An event counts for the last mail of its campaign that came before it, so that the steps of a flow add
    up to the whole.
    """

    pk = models.CompositePrimaryKey("sendlog_id", "clicked")
    sendlog = models.ForeignKey(
        SendLog, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    # Yes: within the window after the first click. No: after it was sent, if it did not bounce.
    clicked = models.BooleanField()
    workspace = upstream(Workspace)
    campaign = upstream(Campaign)
    step = models.SmallIntegerField()
    customer_id = models.BigIntegerField()
    at = models.DateTimeField()
    events = models.IntegerField()
    # Of the property that the campaign names.
    value = models.BigIntegerField()

    class Meta:
        indexes = [
            # The people behind a number, a page at a time.
            models.Index(fields=["campaign", "clicked", "sendlog"], name="goal_people"),
        ]

    def __str__(self) -> str:
        return f"Goal of {self.sendlog_id} at {self.at}"


class GoalSum(models.Model):
    """How many mails of a step reached the goal, by how many events, of which value. Moves with Goal."""

    pk = models.CompositePrimaryKey("campaign_id", "step", "clicked")
    campaign = upstream(Campaign)
    step = models.SmallIntegerField()
    clicked = models.BooleanField()
    mails = models.IntegerField()
    events = models.BigIntegerField()
    value = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.mails} reached the goal"
