"""What came back about the mails."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models import Workspace, WorkspaceQuerySet
from delivery.models.sendlog import SendLog


class Event(models.Model):
    """A fact that came back about one ledger row. Append-only; delivery.events writes it.

    Events come early, late, twice and out of order; `key` makes a repeated one the same row, and
    `applied_at` says when delivery.feedback acted on it (empty: not yet). An open or click without a
    verdict does not count: another source reports the same (delivery.verdicts).
    """

    class Type(models.TextChoices):
        DEFERRED = "deferred", _("Deferred")
        DELIVERED = "delivered", _("Delivered")
        OPENED = "opened", _("Opened")
        CLICKED = "clicked", _("Clicked")
        BOUNCED = "bounced", _("Bounced")
        COMPLAINED = "complained", _("Complained")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")

    class Source(models.TextChoices):
        LINK = "link", _("Link in the mail")
        ONE_CLICK = "one_click", _("Mail program's unsubscribe button")
        PROVIDER = "provider", _("Report of the provider")
        TRACKER = "tracker", _("Pixel or link of ours")
        SIMULATED = "simulated", _("Made up for the sample")

    class Bounce(models.TextChoices):
        """Why a mail came back: the address for good, the address for now, or not the address."""

        HARD = "hard", _("Hard bounce")
        SOFT = "soft", _("Soft bounce")
        BLOCK = "block", _("Blocked")

    class Verdict(models.TextChoices):
        """Who opened or clicked, as far as can be told."""

        PERSON = "person", _("A person")
        APPLE = "apple", _("Apple Mail privacy")
        PROXY = "proxy", _("Image proxy")
        SCANNER = "scanner", _("Security scanner")
        PREFETCH = "prefetch", _("Prefetch")

    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    sendlog = models.ForeignKey(SendLog, models.DO_NOTHING, related_name="events", db_constraint=False)
    customer_id = models.BigIntegerField()
    type = models.CharField(max_length=12, choices=Type)
    source = models.CharField(max_length=10, choices=Source)
    # Equal for the same fact however often it is reported: source, ledger row, type and its own id.
    key = models.CharField(max_length=120, unique=True)
    # Of a bounce, and of none else: what delivery.inbound.bounces judged.
    bounce = models.CharField(max_length=5, choices=Bounce, db_default="", blank=True)
    # Of our own pixels and links: what told a machine at once (delivery.verdicts).
    detail = models.TextField(blank=True, help_text=_("In the provider's own words."))
    # Of a click on one of the content's links: which, from 1.
    link = models.PositiveSmallIntegerField(null=True)
    # Of opens and clicks: what delivery.verdicts judged, by what, and what it judged by.
    verdict = models.CharField(max_length=8, choices=Verdict, db_default="", blank=True)
    verdict_reason = models.CharField(max_length=20, db_default="", blank=True)
    # When the verdict was changed after the event had been written; whoever counts looks at it again.
    rejudged_at = models.DateTimeField(null=True)
    user_agent = models.CharField(max_length=255, db_default="", blank=True)
    ip = models.GenericIPAddressField(null=True)
    at = models.DateTimeField(help_text=_("When it happened, as the source says."))
    received_at = models.DateTimeField(db_default=models.functions.Now())
    applied_at = models.DateTimeField(null=True)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["customer_id", "type", "at"], name="event_customer"),
            # Who opened or clicked in the last days, for segments, without reading a row.
            models.Index(fields=["workspace", "type", "at", "verdict", "customer_id"], name="event_recent"),
            models.Index(fields=["id"], condition=models.Q(applied_at=None), name="event_unapplied"),
            models.Index(
                fields=["rejudged_at"],
                condition=models.Q(rejudged_at__isnull=False),
                name="event_rejudged",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} at {self.at}"

    @property
    def in_words(self) -> str:
        """What happened, for people; of a bounce, its kind."""
        return self.get_bounce_display() if self.bounce else self.get_type_display()
