"""How much a sender may send: limits that people set, and the warm-up of a new sender."""

from __future__ import annotations

import math

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.mailbox_providers import MailboxProvider
from campaigns.models.sender import Sender


class SenderLimit(models.Model):
    """At most so many mails in each second, minute, hour or day, to everyone or to one mailbox provider."""

    class Period(models.TextChoices):
        SECOND = "second", _("second")
        MINUTE = "minute", _("minute")
        HOUR = "hour", _("hour")
        DAY = "day", _("day")

    sender = models.ForeignKey(Sender, models.CASCADE, related_name="limits")
    mails = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    period = models.CharField(_("per"), max_length=6, choices=Period, default=Period.HOUR)
    # Empty: to whomever.
    mailbox_provider = models.CharField(
        _("to"), max_length=9, choices={"": "everyone", **dict(MailboxProvider.choices)}, blank=True
    )

    class Meta:
        ordering = ["id"]
        verbose_name = _("limit")
        constraints = [
            models.UniqueConstraint(
                fields=["sender", "mailbox_provider", "period"],
                name="sender_limit_once",
                violation_error_message=_("There is a limit for this period and mailbox provider already."),
            ),
            models.CheckConstraint(condition=models.Q(mails__gte=1), name="sender_limit_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.mails:,} per {self.period} to {self.get_mailbox_provider_display()}"


class WarmUp(models.Model):
    """The warm-up of a new sender: its daily cap rises along a curve, and waits while people complain.

    `step` counts the days on which the cap rose, `stepped_on` is the last of them; both, and `held`,
    are written by delivery.warm_up. Delete the row to end the warm-up.
    """

    sender = models.OneToOneField(Sender, models.CASCADE, primary_key=True, related_name="warm_up")
    first_day = models.PositiveIntegerField(
        _("mails on the first day"), default=50, validators=[MinValueValidator(1)]
    )
    growth = models.PositiveSmallIntegerField(
        _("more each day, in percent"), default=30, validators=[MinValueValidator(1), MaxValueValidator(200)]
    )
    target = models.PositiveIntegerField(
        _("mails a day when it is done"), default=10_000, validators=[MinValueValidator(1)]
    )
    step = models.PositiveSmallIntegerField(default=0, editable=False)
    # Empty: the warm-up begins with the first mail.
    stepped_on = models.DateField(null=True, editable=False)
    # Why the cap did not rise on the last day, in words for people; empty when it did.
    held = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        verbose_name = _("warm-up")
        constraints = [
            # A curve that does not rise would have no end.
            models.CheckConstraint(
                condition=models.Q(first_day__gte=1, growth__gte=1, target__gte=1), name="warm_up_rises"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.daily_cap:,} a day, rising to {self.target:,}"

    def clean(self) -> None:
        if self.first_day and self.target and self.first_day >= self.target:
            raise ValidationError({"target": "Enter more than on the first day, or delete the warm-up."})

    @property
    def daily_cap(self) -> int:
        """Mails that may leave today."""
        return self.cap_after(self.step)

    @property
    def is_done(self) -> bool:
        """Whether the target is reached; it stays the daily cap until the row is deleted."""
        return self.daily_cap >= self.target

    def cap_after(self, steps: int) -> int:
        """Mails that may leave on a day after so many rises."""
        # Compared as logarithms: a float has no room for a high power.
        if steps * math.log1p(self.growth / 100) >= math.log(self.target / self.first_day):
            return self.target
        return min(self.target, round(self.first_day * (1 + self.growth / 100) ** steps))

    def curve(self) -> list[int]:
        """The daily caps from the first day to the one on which it is done, when nothing holds it."""
        caps = [self.cap_after(0)]
        while caps[-1] < self.target:
            caps.append(self.cap_after(len(caps)))
        return caps
