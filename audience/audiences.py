"""Stage 1 of the pipeline, first half: which customers a campaign is meant for."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models import Customer, Segment, Workspace
from audience.segments import customers_in


class Audience(models.TextChoices):
    """Whom a campaign is meant for, before anybody is refused."""

    ALL_SUBSCRIBED = "all_subscribed", _("Everyone who opted in to e-mail or SMS")
    EMAIL_ONLY = "email_only", _("Opted in to e-mail only")
    SMS_ONLY = "sms_only", _("Opted in to SMS only")
    BOTH = "both", _("Opted in to e-mail and SMS")
    SEGMENT = "segment", _("A segment")


# What each choice asks of a customer; a segment asks for itself.
OPT_INS = {
    Audience.ALL_SUBSCRIBED: Q(subscribed=True) | Q(sms_subscribed=True),
    Audience.EMAIL_ONLY: Q(subscribed=True, sms_subscribed=False),
    Audience.SMS_ONLY: Q(subscribed=False, sms_subscribed=True),
    Audience.BOTH: Q(subscribed=True, sms_subscribed=True),
}


def customers(
    workspace: Workspace, audience: Audience, segment: Segment | None, now: datetime | None = None
) -> models.QuerySet[Customer]:
    """Find the customers whom an audience means, mailable or not; a segment decides by its criteria alone.

    Raises ValueError when the segment is missing or of another workspace, InvalidCriteria (a
    ValueError too) when it can no longer be evaluated.
    """
    if audience != Audience.SEGMENT:
        opted_in: models.QuerySet[Customer] = Customer.objects.of(workspace)
        return opted_in.filter(OPT_INS[Audience(audience)])
    if segment is None or segment.workspace_id != workspace.pk:
        raise ValueError("Choose a segment of this workspace.")
    return customers_in(segment, now)


def end_of_page(workspace: Workspace, after: int, size: int) -> int | None:
    """The id of the last of the next `size` customers after an id; None when there are none."""
    page = Customer.objects.of(workspace).filter(pk__gt=after).order_by("pk")[:size]
    last: int | None = page.aggregate(last=models.Max("pk"))["last"]
    return last
