"""Campaigns, their senders and the history of their states."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from audience import audiences
from audience.audiences import Audience
from audience.models import Customer, Segment, WorkspaceModel, WorkspaceQuerySet
from audience.models.events import EVENT_NAME
from campaigns.models.flow import Flow
from campaigns.models.sender import Sender
from campaigns.models.template import Content, Template


class CampaignQuerySet(WorkspaceQuerySet["Campaign"]):
    def active(self) -> CampaignQuerySet:
        return self.filter(status=Campaign.Status.ACTIVE)


class Campaign(WorkspaceModel):
    """An audience, a content, senders and a schedule, with a lifecycle.

    `status`, `result` and the moments that go with it are written by campaigns.lifecycle only; the
    rest may change while the campaign is a draft.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Clock(models.TextChoices):
        WORKSPACE = "workspace", _("the workspace's time zone")
        CUSTOMER = "customer", _("each customer's own time zone")
        BEST = "best", _("each customer's own best hour")

    class Kind(models.TextChoices):
        CAMPAIGN = "campaign", _("Campaign")
        AUTOMATION = "automation", _("Automation")

    class FollowUp(models.TextChoices):
        """Whom a campaign is for that follows another one (delivery.follow_ups)."""

        FAILED = "failed", _("those who failed")
        JOINED = "joined", _("those who joined since")
        NOT_OPENED = "not_opened", _("those who did not open")

    name = models.CharField(max_length=150)
    # An automation is always on, and starts people on its flow one by one (Automation says which).
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.CAMPAIGN, editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT, editable=False)
    audience = models.CharField(max_length=16, choices=Audience, default=Audience.SEGMENT)
    segment = models.ForeignKey(Segment, models.PROTECT, null=True, blank=True, related_name="+")
    template = models.ForeignKey(Template, models.PROTECT, null=True, blank=True, related_name="+")
    flow = models.ForeignKey(Flow, models.PROTECT, null=True, blank=True, related_name="+")
    # The template as it stood at activation; what is sent.
    content = models.ForeignKey(Content, models.PROTECT, null=True, editable=False, related_name="+")
    senders = models.ManyToManyField(Sender, through="CampaignSender", related_name="+")
    start_date = models.DateField(null=True, blank=True, help_text=_("Empty: at once when activated."))
    start_time = models.TimeField(null=True, blank=True, help_text=_("Empty: 00:00 on the start date."))
    clock = models.CharField(
        max_length=10,
        choices=Clock,
        default=Clock.WORKSPACE,
        help_text=_("Whose time of day the start is meant in. A best hour is within a day of the start."),
    )
    # At activation it takes the workspace's switch into account, and stays: what the mails carry.
    tracked = models.BooleanField(
        _("track opens and clicks"),
        default=True,
        help_text=_("Off: the mails carry their links as you wrote them, and no pixel."),
    )
    utm = models.BooleanField(
        _("add UTM parameters"),
        default=False,
        help_text=_(
            "To every tracked link, for your web analytics. Parameters that a link has already stay."
        ),
    )
    utm_source = models.CharField(
        _("UTM source"), max_length=100, blank=True, help_text=_("Empty: your brand's short name.")
    )
    utm_medium = models.CharField(_("UTM medium"), max_length=100, blank=True, help_text=_("Empty: email."))
    utm_campaign = models.CharField(
        _("UTM campaign"), max_length=100, blank=True, help_text=_("Empty: the campaign's name.")
    )
    goal_event = models.CharField(
        _("goal"),
        max_length=63,
        blank=True,
        validators=[RegexValidator(rf"\A{EVENT_NAME}\Z", _("Write it like order_placed."))],
        help_text=_("An event that you report, such as order_placed. Reports say who did it after the mail."),
    )
    goal_days = models.PositiveSmallIntegerField(
        _("within days"),
        default=7,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
        help_text=_("So many days after the first click, and after the mail was sent."),
    )
    goal_value = models.CharField(
        _("sum of"),
        max_length=63,
        blank=True,
        validators=[RegexValidator(r"\A[a-z][a-z0-9_]*\Z", _("Write it like total."))],
        help_text=_("A property of the event that is a number, such as total. Empty: none."),
    )
    # The campaign after which this one goes to those whom it did not reach.
    follows = models.ForeignKey(
        "self", models.SET_NULL, null=True, editable=False, related_name="followed_by"
    )
    follow_up = models.CharField(
        max_length=10, choices=FollowUp, blank=True, default="", db_default="", editable=False
    )
    # In words for people: "45 of 50 sent", "All e-mail sends failed", "Nobody matched".
    result = models.CharField(max_length=500, blank=True, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[Any] = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(status="active"), name="campaign_active"),
        ]

    def __str__(self) -> str:
        return self.name

    def matching(self) -> models.QuerySet[Customer]:
        """The customers whom the campaign is meant for at this moment, mailable or not."""
        return audiences.customers(self.workspace, Audience(self.audience), self.segment)

    def utm_parameters(self) -> dict[str, str]:
        """What is added to the targets of its links; empty unless it is switched on."""
        if not self.utm:
            return {}
        return {
            "utm_source": self.utm_source or self.workspace.slug,
            "utm_medium": self.utm_medium or "email",
            "utm_campaign": self.utm_campaign or self.name,
        }


class CampaignSender(models.Model):
    """A sender of a campaign and its share of the recipients."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="sender_shares")
    sender = models.ForeignKey(Sender, models.PROTECT, related_name="+")
    weight = models.PositiveSmallIntegerField(default=1, help_text=_("2 gets twice as many recipients as 1."))

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "sender"], name="campaign_sender_once"),
            models.CheckConstraint(condition=models.Q(weight__gte=1), name="campaign_sender_weight"),
        ]

    def __str__(self) -> str:
        return f"{self.sender} ({self.weight})"


class CampaignTransition(models.Model):
    """One change of a campaign's status, or an act that left it as it was (action `note`).

    Append-only; written in the transaction of what it tells of.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="transitions")
    action = models.CharField(max_length=10)
    from_status = models.CharField(max_length=10, choices=Campaign.Status)
    to_status = models.CharField(max_length=10, choices=Campaign.Status)
    # None: Drumbeat itself.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_status} -> {self.to_status}"
