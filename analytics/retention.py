"""Throwing away old events, and keeping what they amount to."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import Min

from analytics import reactions, state
from analytics.dialect import by_person, counts, earlier
from delivery import sql
from delivery.models import Event

# The many. Bounces, complaints and unsubscribes are few, and evidence: they stay.
PRUNED = (Event.Type.DEFERRED, Event.Type.DELIVERED, Event.Type.OPENED, Event.Type.CLICKED)
# Events in one transaction.
CHUNK = 5_000


def prune(before: datetime) -> int:
    """Delete the deliveries, opens and clicks received before this moment; return how many.

    Only events that are counted and acted upon. Their sums are kept in the transaction that deletes
    them, 5,000 at a time, so every report stays as it is, also when it is built anew. What is gone for
    good: judging them anew, and what segments ask about opens and clicks of that time.
    """
    deleted, after = 0, 0
    while ids := list(
        Event.objects.filter(id__gt=after, id__lte=state.current().event_id)
        .order_by("id")
        .values_list("id", flat=True)[:CHUNK]
    ):
        window = Event.objects.filter(id__gt=after, id__lte=ids[-1])
        oldest = window.aggregate(oldest=Min("received_at"))["oldest"]
        if oldest >= before:
            break
        deleted += _prune_window(after, ids[-1], before)
        after = ids[-1]
    return deleted


def _prune_window(after: int, last: int, before: datetime) -> int:
    with state.held():
        old = Event.objects.filter(
            id__gt=after, id__lte=last, received_at__lt=before, type__in=PRUNED, applied_at__isnull=False
        )
        # Held, so that nobody judges them anew between keeping and deleting.
        ids = list(old.select_for_update().order_by("id").values_list("id", flat=True))
        mails = Event.objects.filter(id__in=ids, type__in=reactions.COUNTED).values_list(
            "sendlog_id", flat=True
        )
        reactions.recount(sorted(set(mails)))
        with connection.cursor() as cursor:
            cursor.execute(_keep(), [sql.rows({"id": event_id} for event_id in ids)])
        return Event.objects.filter(id__in=ids).delete()[0]


def _keep() -> str:
    """Add what the events of one JSON parameter say to what is kept of their mails."""
    everybody, people = counts("e"), by_person("e")
    return f"""
        UPDATE analytics_reaction SET
            kept_events = COALESCE(kept_events, 0) + gone.events,
            kept_people_events = COALESCE(kept_people_events, 0) + gone.people_events,
            kept_at = {earlier("kept_at", "gone.at")},
            kept_people_at = {earlier("kept_people_at", "gone.people_at")}
        FROM (SELECT e.sendlog_id, e.type, CASE WHEN part.whole THEN 0 ELSE e.link END AS link,
                count(*) FILTER (WHERE {everybody}) AS events,
                min(e.at) FILTER (WHERE {everybody}) AS at,
                count(*) FILTER (WHERE {people}) AS people_events,
                min(e.at) FILTER (WHERE {people}) AS people_at
              FROM {sql.table({"id": "bigint"})} mine JOIN delivery_event e ON e.id = mine.id
              JOIN delivery_sendlog l ON l.id = e.sendlog_id
                AND l.workspace_id = e.workspace_id AND l.customer_id = e.customer_id
              CROSS JOIN (SELECT true AS whole UNION ALL SELECT false) part
              WHERE part.whole OR (e.type = '{Event.Type.CLICKED}' AND e.link > 0)
              GROUP BY 1, 2, 3) AS gone
        WHERE analytics_reaction.sendlog_id = gone.sendlog_id AND analytics_reaction.type = gone.type
          AND analytics_reaction.link = gone.link"""  # noqa: S608 - constants of ours
