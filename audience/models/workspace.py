"""Workspaces: the wall between one brand's audience, campaigns and senders and another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

M = TypeVar("M", bound=models.Model, covariant=True)


def validate_time_zone(name: str) -> None:
    """Refuse a name that the IANA time zone database does not have."""
    if name not in available_timezones():
        raise ValidationError(f"{name!r} is not a time zone. Use an IANA name such as Europe/Berlin.")


class Workspace(models.Model):
    """A brand or client. Staff create it; everything else in Drumbeat belongs to exactly one."""

    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(
        max_length=50, unique=True, help_text=_("Short name used in mail headers such as List-Id.")
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text=_("Campaigns start by this clock, and all dates on these pages are shown in it."),
    )
    postal_address = models.CharField(
        max_length=300,
        blank=True,
        help_text=_("Shown below the unsubscribe link that Drumbeat adds; many countries' law asks for it."),
    )
    tracked = models.BooleanField(
        _("track opens and clicks"),
        default=True,
        help_text=_("Off: no mail of it carries tracked links or a pixel, whatever the campaign says."),
    )
    # The hour of their own clock at which customers are best mailed whose own hour is not known.
    # Learnt downstream, written by audience.best_hours only.
    best_hour = models.PositiveSmallIntegerField(default=9, db_default=9, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(best_hour__lte=23), name="workspace_best_hour")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Membership(models.Model):
    """A user's place in a workspace. Without one, a user who is not a superuser sees nothing of it."""

    class Role(models.TextChoices):
        OWNER = "owner", _("Owner")
        MANAGER = "manager", _("Manager: may activate campaigns")
        EDITOR = "editor", _("Editor: may prepare, not send")
        ANALYST = "analyst", _("Analyst: may read")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.EDITOR)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "workspace"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}"


class WorkspaceQuerySet(models.QuerySet[M]):
    """Rows of one workspace, or of those that a user may see. Every door starts from one of the two."""

    def of(self, workspace: Workspace) -> Self:
        return self.filter(workspace=workspace)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Rows in the workspaces that this user is a member of; all of them for a superuser."""
        if user.is_superuser:
            return self.all()
        return self.filter(workspace__in=Membership.objects.filter(user=user.pk).values("workspace"))


class WorkspaceModel(models.Model):
    """Base of every row that belongs to a workspace."""

    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="+")

    objects: ClassVar[Any] = WorkspaceQuerySet.as_manager()

    class Meta:
        abstract = True


def workspaces_visible_to(user: User | AnonymousUser) -> models.QuerySet[Workspace]:
    """The workspaces that this user may enter; all of them for a superuser."""
    if user.is_superuser:
        return Workspace.objects.all()
    return Workspace.objects.filter(memberships__user=user.pk)
