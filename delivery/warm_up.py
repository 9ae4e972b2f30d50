"""The warm-up of senders, from day to day: a worker's mending calls it every few seconds."""

from __future__ import annotations

import logging
from datetime import date, timedelta

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.formats import date_format

from campaigns.models import WarmUp
from delivery.models import SenderDay

logger = logging.getLogger(__name__)

# Amazon SES puts an account under review at this share of bounces.
MOST_BOUNCED = 0.05
# Gmail and Yahoo ask bulk senders for less (support.google.com/a/answer/81126).
MOST_COMPLAINED = 0.001
# Fewer than so many say nothing: on a first day of 50 mails one complaint is 2 %.
FEWEST_BOUNCED = 3
FEWEST_COMPLAINED = 2


def advance() -> None:
    """Raise the daily cap of senders that did well on their last day of sending, or say why not.

    At most one rise a day (UTC), and only after a day on which the sender sent something: a pause
    neither raises nor lowers the cap. Each change is one conditional UPDATE; may be repeated, and
    called by many workers at once. Costs one query when there is nothing to do.
    """
    today = timezone.now().date()
    for day in _days_to_judge(today):
        _judge(day.sender.warm_up, day, today)


def _days_to_judge(today: date) -> QuerySet[SenderDay]:
    """For each warm-up that has not risen today the last day on which its sender sent by this cap."""
    by_this_cap = Coalesce(OuterRef("stepped_on"), today - timedelta(days=1))
    days = SenderDay.objects.filter(
        sender=OuterRef("pk"), day__gte=by_this_cap, day__lt=today, sent__gt=0
    ).order_by("-day")
    last = WarmUp.objects.annotate(last_day=Subquery(days.values("pk")[:1])).values("last_day")
    return SenderDay.objects.filter(pk__in=last).select_related("sender__warm_up").order_by("sender_id")


def _judge(warm_up: WarmUp, day: SenderDay, today: date) -> None:
    if warm_up.is_done:
        return
    as_read = WarmUp.objects.filter(pk=warm_up.pk, step=warm_up.step, stepped_on=warm_up.stepped_on)
    held = why_held(day)
    if held:
        if as_read.exclude(held=held).update(held=held):
            logger.warning("warm-up held: %s", held, extra={"sender": warm_up.pk})
    elif as_read.update(step=F("step") + 1, stepped_on=today, held=""):
        logger.info("warm-up went on", extra={"sender": warm_up.pk})


def why_held(day: SenderDay) -> str:
    """Why the cap must not rise after such a day, in words for people; empty: it may."""
    for what, words, most, fewest in (
        (day.bounced, "bounced", MOST_BOUNCED, FEWEST_BOUNCED),
        (day.complained, "were reported as spam", MOST_COMPLAINED, FEWEST_COMPLAINED),
    ):
        if what >= fewest and what >= most * day.sent:
            on = date_format(day.day, "j F")
            return f"{what:,} of {day.sent:,} mails {words} on {on}: {what / day.sent:.1%} is too many."
    return ""
