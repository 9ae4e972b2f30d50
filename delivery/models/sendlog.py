"""The ledger and the outbox."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.mailbox_providers import MailboxProvider
from audience.models import Customer, Workspace, WorkspaceQuerySet
from audience.models.customer import PREFIX_SEARCHABLE
from campaigns.models import Campaign, Content, Sender


class SendLog(models.Model):
    """One row per campaign, step and customer: what was sent, what was not, and why.

    In a flow there is one for each time that the customer comes to the step: `enrollment_id` and `round`.

    The row is the queue. `status` and all beside it are written by the pipeline (fill, claim, gate,
    settle, sweep), `outcome` by delivery.feedback. Foreign keys carry no database constraint: see
    docs/decisions/0003.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        SENDING = "sending", _("Being handed over")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        SUPPRESSED = "suppressed", _("Not sent")
        CANCELLED = "cancelled", _("Cancelled")
        UNKNOWN = "unknown", _("Unknown")

    # A campaign with a row in one of these is not done.
    OPEN = (Status.QUEUED, Status.SENDING)

    class Outcome(models.TextChoices):
        """What became of a sent mail; moves forward only, in this order."""

        DEFERRED = "deferred", _("Deferred")
        DELIVERED = "delivered", _("Delivered")
        BOUNCED = "bounced", _("Bounced")
        COMPLAINED = "complained", _("Complained")

    class Reason(models.TextChoices):
        """Why a row is where it is. The refusals are those of audience.mailable."""

        OPTED_OUT = "opted_out", _("Has not opted in to e-mail")
        UNSUBSCRIBE = "unsubscribe", _("Unsubscribed")
        MANUAL = "manual", _("Suppressed by staff")
        SOFT_BOUNCE = "soft_bounce", _("Address bounced again and again")
        HARD_BOUNCE = "hard_bounce", _("Address bounced before")
        COMPLAINT = "complaint", _("Complained before")
        INVALID = "invalid", _("Address cannot be mailed")
        DELETED = "deleted", _("Customer was deleted")
        RETRY = "retry", _("Will be tried again")
        REFUSED = "refused", _("Refused for good by the mail server")
        EXHAUSTED = "exhausted", _("Given up after three attempts")
        POISON = "poison", _("Stopped its worker five times")
        RENDER = "render", _("The template failed for this customer")
        LOST = "lost", _("The worker stopped during hand-over")
        NO_ANSWER = "no_answer", _("The mail server did not answer")
        RESENT = "resent", _("Sent again by somebody's choice")
        COUNTED = "counted", _("Counted as sent by somebody's choice")
        PROVEN = "proven", _("Accepted, as a later report proves")
        CONFIRMED = "confirmed", _("Accepted, as the service said when asked again")
        ENDED = "ended", _("The campaign ended before")
        CAPPED = "capped", _("Too many mails to this person lately")
        QUIET_HOURS = "quiet_hours", _("It was due in quiet hours")
        CUTOFF = "cutoff", _("Its time had passed")
        OVERDUE = "overdue", _("It was overdue after a pause")
        LEFT_FLOW = "left_flow", _("The person was moved or taken out of the flow")

    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    campaign = models.ForeignKey(
        Campaign, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    # Of the campaign's flow; a campaign with one mail has step 1 only.
    step = models.SmallIntegerField(db_default=1)
    # Of the customer's place in the flow (campaigns.Enrollment); 0: no flow.
    enrollment_id = models.BigIntegerField(db_default=0)
    round = models.SmallIntegerField(db_default=1)
    # What is sent; none: the campaign's own.
    content = models.ForeignKey(
        Content, models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    # Not after this moment.
    cutoff_at = models.DateTimeField(null=True)
    # Stays as it is when the customer is deleted: the ledger remembers, the address below as well.
    customer = models.ForeignKey(
        Customer, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    # A sender with rows is in a campaign, and cannot be deleted for that.
    sender = models.ForeignKey(
        Sender, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    email = models.CharField(_("e-mail address"), max_length=254)
    # Of the address above.
    mailbox_provider = models.CharField(
        max_length=9, choices=MailboxProvider, db_default=MailboxProvider.OTHER
    )
    status = models.CharField(max_length=10, choices=Status, db_default=Status.QUEUED)
    reason = models.CharField(max_length=11, choices=Reason, db_default="", blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome, db_default="", blank=True)
    outcome_at = models.DateTimeField(null=True)
    # Hand-overs begun; counted before the network is touched.
    attempts = models.SmallIntegerField(db_default=0)
    # Times that a worker died while it built this mail, as its journal says.
    crashes = models.SmallIntegerField(db_default=0)
    # Not before this moment; moves with every retry.
    due_at = models.DateTimeField()
    # Who holds the row and until when. The fence grows with every claim: a worker that was taken
    # for dead and comes back carries an old one, and its writes change nothing.
    worker = models.CharField(max_length=64, db_default="", blank=True)
    # On an unknown row: until when its last lease was, which tells when the mail may have left.
    lease_until = models.DateTimeField(null=True)
    fence = models.IntegerField(db_default=0)
    # The provider's id for the mail, where it gives one.
    provider_id = models.CharField(max_length=255, db_default="", blank=True)
    # The provider's own words about the last failure.
    error = models.TextField(db_default="", blank=True)
    # What happened before, oldest first: [{"at", "status", "reason", "error"}]; empty for most.
    history = models.JSONField(db_default=models.Value([], models.JSONField()), default=list)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    sent_at = models.DateTimeField(null=True)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("ledger row")
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "step", "round", "customer", "enrollment_id"],
                name="one_row_per_campaign_step_customer",
            ),
        ]
        indexes = [
            models.Index(
                fields=["campaign", "sender", "mailbox_provider", "due_at", "id"],
                condition=models.Q(status__in=["queued", "sending"]),
                name="sendlog_open",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status="sending"),
                name="sendlog_leased",
            ),
            models.Index(fields=["workspace", "email"], name="sendlog_email", opclasses=PREFIX_SEARCHABLE),
            # Somebody's mails, and what they had in the last days: the contact policy asks for each mail.
            models.Index(fields=["customer", "sent_at"], name="sendlog_customer"),
            # The rows behind the exceptional numbers; sent and queued rows are not in it.
            models.Index(
                fields=["campaign", "status"],
                condition=models.Q(status__in=["failed", "unknown", "suppressed", "cancelled"]),
                name="sendlog_exceptions",
            ),
            # For reports that name the mail by the provider's id alone. SMTP servers give none.
            models.Index(
                fields=["provider_id"], condition=~models.Q(provider_id=""), name="sendlog_provider_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.status}"
