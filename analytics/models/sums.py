"""What has been counted: small tables that the reports read instead of the ledger and the events.

All of it is derived. analytics.roll_up writes it, and `manage.py rebuild_stats` makes it anew.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import models
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

from audience.mailbox_providers import MailboxProvider
from audience.models import Workspace, WorkspaceQuerySet
from campaigns.models import Campaign
from delivery.models import Event, SendLog

M = TypeVar("M", bound=models.Model)

# Ledger rows per block: what is counted in one go, and again when one of its rows may have changed.
BLOCK = 16_384
# Stands in LedgerSum for queued and sending: where a row rests before it has come to an end.
WAITING = "waiting"


def upstream(model: type[M]) -> models.ForeignKey[M | Combinable, M]:
    """A key that costs no look-up when a million rows are written; as in the ledger (decision 0003)."""
    return models.ForeignKey(model, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)


class RollUp(models.Model):
    """How far everything is counted; one row, which whoever counts holds locked."""

    # Every event, ledger row, consent and customer event up to these ids is counted, whatever commits later.
    event_id = models.BigIntegerField(default=0)
    sendlog_id = models.BigIntegerField(default=0)
    consent_id = models.BigIntegerField(default=0)
    customer_event_id = models.BigIntegerField(default=0)
    # Verdicts that were changed before this moment are counted.
    rejudged_until = models.DateTimeField(null=True)
    # When the last round ended.
    at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"counted at {self.at}"


class LedgerCount(models.Model):
    """Which state of a campaign's ledger rows is counted; one row per campaign."""

    campaign = models.OneToOneField(
        Campaign, models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    # The version of the campaign's delivery.Progress, which changes with every batch of its rows.
    version = models.CharField(max_length=20)
    at = models.DateTimeField()
    # Seconds that counting took: a campaign of ten million is counted less often than one of ten.
    took = models.FloatField()

    def __str__(self) -> str:
        return f"{self.campaign_id} at {self.at}"


class LedgerSum(models.Model):
    """How many rows of one block of the ledger are in which state. A block is counted anew as a whole."""

    pk = models.CompositePrimaryKey(
        "block", "campaign_id", "step", "sender_id", "mailbox_provider", "status", "reason", "code"
    )
    # Ledger rows with ids from block * BLOCK on.
    block = models.IntegerField()
    campaign = upstream(Campaign)
    step = models.SmallIntegerField()
    # 0 and empty of rows that wait: both may still change.
    sender_id = models.BigIntegerField()
    mailbox_provider = models.CharField(max_length=9, choices=MailboxProvider, blank=True)
    status = models.CharField(max_length=10, choices=[*SendLog.Status.choices, (WAITING, _("Waiting"))])
    reason = models.CharField(max_length=11, choices=SendLog.Reason, blank=True)
    # Of failed rows: the codes with which the mail server refused, as in "550 5.1.1".
    code = models.CharField(max_length=16, blank=True)
    mails = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["campaign", "status", "block"], name="ledgersum_campaign")]

    def __str__(self) -> str:
        return f"{self.mails} {self.status}"


class LedgerHour(models.Model):
    """How many mails of one block of the ledger were sent in which hour."""

    pk = models.CompositePrimaryKey("block", "campaign_id", "step", "hour")
    block = models.IntegerField()
    campaign = upstream(Campaign)
    step = models.SmallIntegerField()
    # Hours since 1970, UTC.
    hour = models.IntegerField()
    mails = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["campaign"], name="ledgerhour_campaign")]

    def __str__(self) -> str:
        return f"{self.mails} in hour {self.hour}"


class Reaction(models.Model):
    """That something came back about a mail, and when first: one row per mail, type and link.

    It makes "how many people" exact, however often, late or disordered an event arrives, and stays when
    the events themselves are pruned: what the pruned ones had said is in the `kept_` columns.
    """

    pk = models.CompositePrimaryKey("sendlog_id", "type", "link")
    sendlog = models.ForeignKey(
        SendLog, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    type = models.CharField(max_length=12, choices=Event.Type)
    # 0: of the whole mail. A click is counted there and for its link.
    link = models.PositiveSmallIntegerField()
    # As in the ledger row.
    workspace = upstream(Workspace)
    campaign = upstream(Campaign)
    step = models.SmallIntegerField()
    sender_id = models.BigIntegerField()
    mailbox_provider = models.CharField(max_length=9, choices=MailboxProvider)
    customer_id = models.BigIntegerField()
    # Of a bounce: whether it was hard, and the codes, as in "hard 550 5.1.1".
    code = models.CharField(max_length=24, blank=True)
    # How often, and when first: whoever it was, and people only. A mail of which nothing counts has 0.
    events = models.IntegerField()
    at = models.DateTimeField(null=True)
    people_events = models.IntegerField()
    people_at = models.DateTimeField(null=True)
    kept_events = models.IntegerField(null=True)
    kept_at = models.DateTimeField(null=True)
    kept_people_events = models.IntegerField(null=True)
    kept_people_at = models.DateTimeField(null=True)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        indexes = [
            # The people behind a number, a page at a time.
            models.Index(fields=["campaign", "type", "link", "sendlog"], name="reaction_people"),
            models.Index(
                fields=["campaign", "code", "sendlog"],
                condition=models.Q(type="bounced"),
                name="reaction_bounces",
            ),
            models.Index(
                fields=["workspace", "at"], condition=models.Q(type="complained"), name="reaction_complaints"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.at}"


class ReactionSum(models.Model):
    """How many mails were reacted to in which way, and how often. Moves with Reaction."""

    pk = models.CompositePrimaryKey(
        "campaign_id", "step", "type", "link", "people", "sender_id", "mailbox_provider", "code"
    )
    campaign = upstream(Campaign)
    step = models.SmallIntegerField()
    type = models.CharField(max_length=12, choices=Event.Type)
    link = models.PositiveSmallIntegerField()
    # Yes: what people did. No: everything, machines included.
    people = models.BooleanField()
    sender_id = models.BigIntegerField()
    mailbox_provider = models.CharField(max_length=9, choices=MailboxProvider, blank=True)
    code = models.CharField(max_length=24, blank=True)
    mails = models.IntegerField()
    events = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.mails} {self.type}"


class ReactionHour(models.Model):
    """How many mails were first reacted to in which hour. Moves with Reaction."""

    pk = models.CompositePrimaryKey("campaign_id", "step", "type", "people", "hour")
    campaign = upstream(Campaign)
    step = models.SmallIntegerField()
    type = models.CharField(max_length=12, choices=Event.Type)
    people = models.BooleanField()
    hour = models.IntegerField()
    mails = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.mails} {self.type} in hour {self.hour}"


class AudienceDay(models.Model):
    """How many opted in to e-mail, and out of it, on one day (UTC)."""

    pk = models.CompositePrimaryKey("workspace_id", "day")
    workspace = upstream(Workspace)
    day = models.DateField()
    opted_in = models.IntegerField()
    opted_out = models.IntegerField()

    objects = WorkspaceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.opted_in} in, {self.opted_out} out on {self.day}"


class AudienceCount(models.Model):
    """The size of an audience, and how many of it are active; counted once an hour."""

    workspace = models.OneToOneField(
        Workspace, models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    at = models.DateTimeField()
    customers = models.IntegerField()
    subscribed = models.IntegerField()
    # People who opened or clicked in the last so many days.
    active_30 = models.IntegerField()
    active_90 = models.IntegerField()
    active_365 = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.subscribed} of {self.customers}"
