"""What the DNS said about the domain of a sender's From address."""

from __future__ import annotations

from django.db import models

from campaigns.models.sender import Sender


class DomainCheck(models.Model):
    """The latest look at a sender's domain; campaigns.domains writes it when somebody asks for one."""

    sender = models.OneToOneField(Sender, models.CASCADE, primary_key=True, related_name="domain_check")
    # As it was when it was looked at: the From address may have changed since.
    domain = models.CharField(max_length=253)
    # [{"topic", "state", "says", "record"}], see campaigns.domains.findings.Finding.
    findings = models.JSONField(default=list)
    checked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.domain}, {self.checked_at:%Y-%m-%d %H:%M}"
