"""When and how often people may be mailed."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models.workspace import Workspace, WorkspaceQuerySet


class ContactPolicy(models.Model):
    """A workspace's frequency cap and quiet hours, for mails of all its campaigns and flows.

    No row: neither. Held to at the gate, in one place (delivery.policy). Written by staff.
    """

    class Action(models.TextChoices):
        MOVE = "move", _("is sent later, when it may be")
        SKIP = "skip", _("is not sent")

    workspace = models.OneToOneField(Workspace, models.CASCADE, related_name="contact_policy")
    cap_mails = models.PositiveSmallIntegerField(
        _("at most this many mails"),
        null=True,
        blank=True,
        help_text=_("To one person, of all campaigns and flows. Empty: no limit."),
    )
    cap_days = models.PositiveSmallIntegerField(_("in this many days"), default=7)
    cap_action = models.CharField(_("a mail beyond that"), max_length=4, choices=Action, default=Action.SKIP)
    quiet_from = models.TimeField(
        _("quiet from"),
        null=True,
        blank=True,
        help_text=_("By each customer's clock. Empty: no quiet hours."),
    )
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    quiet_action = models.CharField(_("a mail due then"), max_length=4, choices=Action, default=Action.MOVE)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        verbose_name = _("contact policy")
        verbose_name_plural = _("contact policies")
        constraints = [
            models.CheckConstraint(
                condition=Q(cap_mails=None) | Q(cap_mails__gte=1, cap_days__gte=1, cap_days__lte=365),
                name="contact_policy_cap",
            ),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None)
                | (
                    Q(quiet_from__isnull=False, quiet_until__isnull=False)
                    & ~Q(quiet_from=models.F("quiet_until"))
                ),
                name="contact_policy_quiet",
            ),
        ]

    def __str__(self) -> str:
        return f"Contact policy of {self.workspace}"

    def clean(self) -> None:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValidationError({"quiet_until": "Quiet hours need a beginning and an end. Fill in both."})
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise ValidationError({"quiet_until": "Quiet hours cannot last all day. Choose another end."})
