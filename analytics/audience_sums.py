"""Counting the audience: who opted in and out each day, how many there are, and how many are active."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from analytics import state
from analytics.dialect import day
from analytics.horizon import Horizon
from analytics.models import AudienceCount, AudienceDay, Reaction
from audience.models import ConsentRecord, Customer, Workspace

# Counting an audience reads all of it.
EVERY = timedelta(hours=1)
ACTIVE_DAYS = (30, 90, 365)


def count(horizon: Horizon) -> None:
    """Count new consents, and each audience that was not counted in the last hour. Commits by itself.

    Each consent is counted once, in the transaction that remembers up to where: only when all before
    the last are there to be counted.
    """
    if horizon.is_settled(ConsentRecord):
        _count_consents(horizon.ids[ConsentRecord])
    fresh = AudienceCount.objects.filter(at__gt=timezone.now() - EVERY).values("workspace")
    for workspace in Workspace.objects.exclude(pk__in=fresh).order_by("pk"):
        count_audience(workspace)


def begin_anew() -> None:
    """Forget everything. Inside state.held(); count() then fills it."""
    AudienceDay.objects.all().delete()
    AudienceCount.objects.all().delete()


def count_audience(workspace: Workspace) -> None:
    """Count an audience as it is now: the people, and those who opened or clicked lately."""
    now = timezone.now()
    people = Customer.objects.of(workspace).aggregate(
        customers=Count("pk"), subscribed=Count("pk", filter=Q(subscribed=True))
    )
    reactions = Reaction.objects.of(workspace).filter(type__in=("opened", "clicked"), link=0)
    active = reactions.filter(people_at__gte=now - timedelta(days=max(ACTIVE_DAYS))).aggregate(
        **{
            f"active_{days}": Count(
                "customer_id", distinct=True, filter=Q(people_at__gte=now - timedelta(days=days))
            )
            for days in ACTIVE_DAYS
        }
    )
    AudienceCount.objects.update_or_create(workspace=workspace, defaults={"at": now, **people, **active})


def _count_consents(last: int) -> None:
    email = ConsentRecord.Channel.EMAIL
    with state.held() as counted, connection.cursor() as cursor:
        if last <= counted.consent_id:
            return
        cursor.execute(
            f"""
            INSERT INTO analytics_audienceday (workspace_id, day, opted_in, opted_out)
            SELECT workspace_id, {day("at")} AS day,
                count(*) FILTER (WHERE granted), count(*) FILTER (WHERE NOT granted)
            FROM audience_consentrecord WHERE id > %s AND id <= %s AND channel = '{email}'
            GROUP BY 1, 2
            ON CONFLICT (workspace_id, day) DO UPDATE SET
                opted_in = analytics_audienceday.opted_in + excluded.opted_in,
                opted_out = analytics_audienceday.opted_out + excluded.opted_out""",  # noqa: S608
            [counted.consent_id, last],
        )
        counted.consent_id = last
        counted.save(update_fields=["consent_id"])
