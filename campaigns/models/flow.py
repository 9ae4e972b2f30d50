"""Flows: sequences of steps that a campaign may run instead of one mail, and their versions."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models import WorkspaceModel
from campaigns.models.sender import Sender
from campaigns.models.template import Content


class Flow(WorkspaceModel):
    """A named flow. `steps` is what its editor edits (campaigns.flows.steps says how it is written).

    Nobody runs on it: people run on the versions that were published from it.
    """

    name = models.CharField(max_length=100)
    steps = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="flow_once")]

    def __str__(self) -> str:
        return self.name


class FlowVersion(models.Model):
    """A flow as it was published. Never changes; campaigns.flows.publishing writes it."""

    flow = models.ForeignKey(Flow, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    steps = models.JSONField()
    published_at = models.DateTimeField(db_default=models.functions.Now())
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["flow", "number"], name="flow_version_once")]

    def __str__(self) -> str:
        return f"{self.flow}, version {self.number}"


class FlowMail(models.Model):
    """What one send step of a version sends. Never changes; written with the version."""

    version = models.ForeignKey(FlowVersion, models.CASCADE, related_name="mails")
    step = models.PositiveSmallIntegerField()
    # The template as it stood when the version was published.
    content = models.ForeignKey(Content, models.PROTECT, related_name="+")
    # None: the campaign's senders, by their shares.
    sender = models.ForeignKey(Sender, models.PROTECT, null=True, related_name="+")
    # After so many minutes a mail that has not left is skipped.
    cutoff = models.PositiveIntegerField(_("cutoff (minutes)"), null=True)

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["version", "step"], name="flow_mail_once")]

    def __str__(self) -> str:
        return f"Step {self.step} of {self.version}"
