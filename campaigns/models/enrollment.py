"""People on their way through a campaign's flow."""

from __future__ import annotations

from datetime import time

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models import Customer
from campaigns.models.campaign import Campaign
from campaigns.models.flow import FlowVersion


class Automation(models.Model):
    """How an always-on campaign starts people on its flow, one by one. Changes while it is a draft."""

    class Start(models.TextChoices):
        SEGMENT = "segment", _("When they enter the segment")
        EVENT = "event", _("When an event comes in about them")
        DATE = "date", _("On a date that an attribute holds")

    class Again(models.TextChoices):
        ONCE = "once", _("Once only")
        ALWAYS = "always", _("Every time")
        AFTER = "after", _("Again, but so many days later at the soonest")

    campaign = models.OneToOneField(Campaign, models.CASCADE, primary_key=True, related_name="automation")
    start = models.CharField(_("who starts"), max_length=7, choices=Start, default=Start.SEGMENT)
    includes_present = models.BooleanField(
        _("also those who are in the segment already"),
        default=False,
        help_text=_("When the campaign is activated."),
    )
    event = models.CharField(max_length=63, blank=True, help_text=_("Such as order_placed."))
    attribute = models.CharField(max_length=63, blank=True, help_text=_("An attribute that is a date."))
    offset_days = models.SmallIntegerField(
        _("days after it"), default=0, help_text=_("-3: three days before the date.")
    )
    at = models.TimeField(default=time(9), help_text=_("By each customer's own clock."))
    is_yearly = models.BooleanField(
        _("every year"), default=True, help_text=_("A birthday comes again; a renewal is one date.")
    )
    again = models.CharField(_("how often"), max_length=6, choices=Again, default=Again.ONCE)
    again_days = models.PositiveSmallIntegerField(_("days between"), default=30)

    def __str__(self) -> str:
        return str(self.campaign)


class FlowRun(models.Model):
    """How far an active campaign on a flow is. One row from its activation on; campaigns.flows writes it."""

    campaign = models.OneToOneField(Campaign, models.CASCADE, primary_key=True, related_name="run")
    activated_at = models.DateTimeField()
    # Customers, or events, up to this id have been considered.
    cursor = models.BigIntegerField(default=0)
    # An audience, or a segment's present members: when all of them had been considered.
    entered_at = models.DateTimeField(null=True)
    # A segment or dates: when the last look at all customers ended, and how long it took.
    looked_at = models.DateTimeField(null=True)
    look_seconds = models.FloatField(default=0)
    # The same for people who wait until something happens.
    watched_at = models.DateTimeField(null=True)
    watch_seconds = models.FloatField(default=0)
    # The campaign has ended, and nobody is on the way any more.
    is_closed = models.BooleanField(default=False)
    # Mails that were due before this moment are skipped: somebody chose so on resuming.
    skip_before = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Run of {self.campaign}"


class SegmentMark(models.Model):
    """Somebody who was in an automation's segment at the last look. Who has none and is in it enters."""

    campaign = models.ForeignKey(
        Campaign, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    customer = models.ForeignKey(
        Customer, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "customer"], name="segment_mark_once")]

    def __str__(self) -> str:
        return f"{self.customer_id} in {self.campaign_id}"


class Enrollment(models.Model):
    """One customer's place in one campaign's flow, and when the next step is due.

    The row is the queue, as in the ledger. campaigns.flows writes it; each move is one transaction that
    locks the row first, and a writer that carries an old fence changes nothing.
    """

    class State(models.TextChoices):
        ARRIVING = "arriving", _("About to begin a step")
        WAITING = "waiting", _("Waiting to go on")
        READY = "ready", _("Due for sending")
        MAILING = "mailing", _("Its mail is on the way")
        FINISHED = "finished", _("Came to an end of the flow")
        LEFT = "left", _("Left before the end")

    # Whoever is in one of these is on the way.
    OPEN = (State.ARRIVING, State.WAITING, State.READY, State.MAILING)

    class Reason(models.TextChoices):
        """Why somebody left before the end."""

        REFUSED = "refused", _("May not be mailed")
        DELETED = "deleted", _("The customer was deleted")
        ENDED = "ended", _("The campaign ended before")
        VERSION = "version", _("A new version was published without them")
        REMOVED = "removed", _("Somebody removed them")

    campaign = models.ForeignKey(
        Campaign, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    version = models.ForeignKey(
        FlowVersion, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    customer = models.ForeignKey(
        Customer, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    # What they entered by; entered again by the same, they are in it already.
    key = models.CharField(max_length=64)
    step = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.ARRIVING)
    # When the step begins (arriving), ends (waiting), or its mail is to be sent (ready).
    due_at = models.DateTimeField()
    # Grows when they go around or are moved: each step is passed once a round, and mailed once.
    round = models.PositiveSmallIntegerField(db_default=1)
    fence = models.IntegerField(db_default=0)
    # Properties of the event that they entered by.
    context = models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)
    # What was decided in this round, oldest first: [{"at", "step", "did", ...}].
    path = models.JSONField(db_default=models.Value([], models.JSONField()), default=list)
    reason = models.CharField(max_length=8, choices=Reason, db_default="", blank=True)
    entered_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "customer", "key"], name="enrollment_once"),
        ]
        indexes = [
            # Who is on the way, longest due first in each state; and how many are where, without their rows.
            models.Index(
                fields=["campaign", "state", "due_at", "step"],
                condition=Q(state__in=["arriving", "waiting", "ready", "mailing"]),
                name="enrollment_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} at step {self.step}: {self.state}"


class StepSum(models.Model):
    """How many people have passed a step, and left at it; moves with their rows."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_index=False)
    step = models.PositiveSmallIntegerField()
    passed = models.IntegerField(default=0)
    left = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "step"], name="step_sum_once")]

    def __str__(self) -> str:
        return f"{self.passed} passed step {self.step}"
