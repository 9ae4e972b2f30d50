"""Learning each customer's own best hour, against what their audience does: some thousand at a time."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import Avg, Count, F
from django.db.models.functions import Ln

from analytics.models import SendProfile, SendTime
from analytics.send_time import history, model
from analytics.send_time.history import History
from analytics.send_time.model import Audience, Choice
from audience import best_hours

# Customers for one call: a minute's work.
PORTION = 50_000
_WRITTEN = ("hour", "gain", "reactions", "computed_at")


def learn(profile: SendProfile, now: datetime, after: int = 0) -> tuple[int, int]:
    """Learn the next PORTION of the workspace's customers, after this id: how many, and the last one's id.

    0 for the id says that these were all. Commits a chunk at a time; may be repeated.
    """
    learnt = 0
    for read in history.read(profile.workspace, now, after=after):
        _learn(profile, now, read)
        learnt, after = learnt + len(read.customers), int(read.customers[-1])
        if learnt >= PORTION:
            return learnt, after
    _sum_up(profile)
    return learnt, 0


def audience_of(profile: SendProfile) -> Audience:
    return Audience(np.array(profile.habit), np.array(profile.freshness), profile.rate)


def _learn(profile: SendProfile, now: datetime, read: History) -> None:
    choice = model.choose(
        audience_of(profile), read.sent_by_person(), read.reacted_by_person(), profile.strength
    )
    _store(profile, now, read, choice)
    week = now.isocalendar()
    random = np.random.default_rng([profile.pk, week.year, week.week, int(read.customers[0])])
    got_mail = np.isin(np.arange(len(read.customers)), read.person)
    hours = choice.hours(got_mail, random)
    own = [None if hour == choice.usual else hour for hour in hours.tolist()]
    best_hours.set_best_hours(profile.workspace, dict(zip(read.customers.tolist(), own, strict=True)))


def _store(profile: SendProfile, now: datetime, read: History, choice: Choice) -> None:
    """Write the rows of those who have an hour of their own, and drop those of the others."""
    learnt = (read.customers, choice.best, choice.gain, read.reacted_by_person().sum(axis=1))
    rows = [
        SendTime(
            customer_id=pk,
            workspace_id=profile.pk,
            hour=hour,
            gain=gain,
            reactions=reactions,
            computed_at=now,
        )
        for pk, hour, gain, reactions in zip(*(c[choice.is_own].tolist() for c in learnt), strict=True)
    ]
    chunk = SendTime.objects.filter(
        workspace=profile.pk, pk__gte=read.customers[0], pk__lte=read.customers[-1]
    )
    with transaction.atomic():
        chunk.exclude(pk__in=[row.customer_id for row in rows]).delete()
        SendTime.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["customer"], update_fields=_WRITTEN
        )


def _sum_up(profile: SendProfile) -> None:
    """The average gain is that of logarithms: a few for whom it is said to be huge do not make it."""
    rows = SendTime.objects.filter(workspace=profile.pk, gain__gt=-1)
    sums = rows.aggregate(own=Count("pk"), gain=Avg(Ln(F("gain") + 1)))
    gain = math.expm1(sums["gain"] or 0)
    SendProfile.objects.filter(pk=profile.pk).update(own_hours=sums["own"], own_gain=gain)
