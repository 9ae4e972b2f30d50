"""Counting what came back: from events to one row per mail and kind of reaction, and to their sums.

Nothing is added up as events come in. The mails that they are about are counted anew from all their
events, and the sums move by the difference. So an event may come twice, late or out of order, or be
judged anew: looking at a mail once more is always harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import connection

from analytics import goals, state
from analytics.dialect import bounce_code, by_person, counts, earlier, hour
from analytics.horizon import Horizon
from analytics.models import Reaction, ReactionHour, ReactionSum, RollUp
from delivery import sql
from delivery.models import Event

COUNTED = (
    Event.Type.OPENED,
    Event.Type.CLICKED,
    Event.Type.BOUNCED,
    Event.Type.COMPLAINED,
    Event.Type.UNSUBSCRIBED,
)
# Events looked at, and mails counted anew, in one transaction.
EVENTS, MAILS = 20_000, 5_000
_TYPES = ", ".join(f"'{type_}'" for type_ in COUNTED)


def count(horizon: Horizon) -> None:
    """Count the mails about which something came back, or was judged anew, since the last time.

    Commits by itself, some thousand mails at a time; may be repeated, and stopped at any moment.
    """
    counted, last = state.current(), horizon.ids[Event]
    for first in range(counted.event_id, last, EVENTS):
        _count_chunks(_about(first, min(first + EVENTS, last)))
        if horizon.is_settled(Event):
            _remember(event_id=min(first + EVENTS, last))
    if counted.rejudged_until is not None:
        for mails in _rejudged(counted):
            _count_chunks(mails)
    if horizon.is_settled(Event):
        _remember(rejudged_until=horizon.at)


def recount(sendlog_ids: Sequence[int]) -> None:
    """Count these mails anew. Inside state.held(): the sums move by the difference to before."""
    mails = sql.rows({"id": sendlog_id} for sendlog_id in sendlog_ids)
    with connection.cursor() as cursor:
        for statement in (_sums(-1), _hours(-1), _reactions(), _sums(1), _hours(1)):
            cursor.execute(statement, [mails])
    goals.recount_mails(sendlog_ids)


def begin_anew() -> None:
    """Forget all but what pruned events have left behind. Inside state.held(); count() then fills it."""
    ReactionSum.objects.all().delete()
    ReactionHour.objects.all().delete()
    Reaction.objects.filter(kept_events=None).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE analytics_reaction SET events = kept_events, at = kept_at,"
            " people_events = kept_people_events, people_at = kept_people_at"
        )
        for statement in (_sums, _hours):
            cursor.execute(statement(1, "analytics_reaction"), [])


def _about(after: int, last: int) -> list[int]:
    """The mails that events of these ids are about, beginning with the oldest."""
    found = Event.objects.filter(id__gt=after, id__lte=last, type__in=COUNTED)
    return list(found.order_by("sendlog_id").values_list("sendlog_id", flat=True).distinct())


def _rejudged(counted: RollUp) -> Iterator[list[int]]:
    """The mails of which an event was judged anew since they were counted, in portions."""
    found = Event.objects.filter(rejudged_at__gte=counted.rejudged_until).order_by("sendlog_id")
    after = 0
    while mails := list(
        found.filter(sendlog_id__gt=after).values_list("sendlog_id", flat=True).distinct()[:MAILS]
    ):
        yield mails
        after = mails[-1]


def _count_chunks(mails: Sequence[int]) -> None:
    for first in range(0, len(mails), MAILS):
        with state.held():
            recount(mails[first : first + MAILS])


def _remember(**columns: object) -> None:
    with state.held() as counted:
        for name, value in columns.items():
            before = getattr(counted, name)
            setattr(counted, name, value if before is None else max(before, value))
        counted.save(update_fields=list(columns))


# --- The statements --------------------------------------------------------------------------------


def _reactions() -> str:
    """Write the rows of the mails of one JSON parameter anew, from their events and from what was kept."""
    everybody, people = counts("e"), by_person("e")
    new = _with_kept()
    columns = ", ".join(f"{column} = {value}" for column, value in new.items())
    # A row that says what it said before is not written again.
    is_news = " OR ".join(f"analytics_reaction.{column} <> {value}" for column, value in new.items())
    return f"""
        INSERT INTO analytics_reaction (sendlog_id, type, link, workspace_id, campaign_id, step, sender_id,
            mailbox_provider, customer_id, code, events, at, people_events, people_at)
        SELECT l.id, e.type, CASE WHEN part.whole THEN 0 ELSE e.link END AS link,
            l.workspace_id, l.campaign_id, l.step, l.sender_id, l.mailbox_provider, l.customer_id,
            min({bounce_code("e")}), count(*) FILTER (WHERE {everybody}),
            min(e.at) FILTER (WHERE {everybody}),
            count(*) FILTER (WHERE {people}), min(e.at) FILTER (WHERE {people})
        FROM {sql.table({"id": "bigint"})} mine
        JOIN delivery_event e ON e.sendlog_id = mine.id AND e.type IN ({_TYPES})
        JOIN delivery_sendlog l ON l.id = e.sendlog_id
          AND l.workspace_id = e.workspace_id AND l.customer_id = e.customer_id
        CROSS JOIN (SELECT true AS whole UNION ALL SELECT false) part
        WHERE part.whole OR (e.type = '{Event.Type.CLICKED}' AND e.link > 0)
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        ON CONFLICT (sendlog_id, type, link) DO UPDATE SET {columns}
        WHERE {is_news}"""  # noqa: S608 - constants of ours


def _with_kept() -> dict[str, str]:
    """SQL for what a row says when what its mail's pruned events had said is added; by column."""
    kept = "analytics_reaction.kept"
    return {
        "sender_id": "excluded.sender_id",
        "mailbox_provider": "excluded.mailbox_provider",
        "code": "excluded.code",
        "events": f"excluded.events + COALESCE({kept}_events, 0)",
        "at": earlier("excluded.at", f"{kept}_at"),
        "people_events": f"excluded.people_events + COALESCE({kept}_people_events, 0)",
        "people_at": earlier("excluded.people_at", f"{kept}_people_at"),
    }


def _sums(sign: int, source: str = "") -> str:
    """Add what the rows of these mails say to the sums, or with -1 take it away."""
    key = "campaign_id, step, type, link, people, sender_id, mailbox_provider, code"
    return f"""
        INSERT INTO analytics_reactionsum ({key}, mails, events)
        SELECT {key}, {sign} * count(*), {sign} * sum(events)
        FROM (SELECT r.campaign_id, r.step, r.type, r.link, part.people, r.code,
                CASE WHEN r.link = 0 THEN r.sender_id ELSE 0 END AS sender_id,
                CASE WHEN r.link = 0 THEN r.mailbox_provider ELSE '' END AS mailbox_provider,
                CASE WHEN part.people THEN r.people_events ELSE r.events END AS events
              FROM {source or _mine()} r CROSS JOIN ({_EVERYBODY_AND_PEOPLE}) part
              WHERE {_IS_COUNTED}) AS each_mail
        GROUP BY {key} ORDER BY {key}
        ON CONFLICT ({key}) DO UPDATE SET mails = analytics_reactionsum.mails + excluded.mails,
            events = analytics_reactionsum.events + excluded.events"""  # noqa: S608 - constants of ours


def _hours(sign: int, source: str = "") -> str:
    """The same for the hours of the first reactions to each mail."""
    key = "campaign_id, step, type, people, hour"
    return f"""
        INSERT INTO analytics_reactionhour ({key}, mails)
        SELECT {key}, {sign} * count(*)
        FROM (SELECT r.campaign_id, r.step, r.type, part.people,
                {hour("CASE WHEN part.people THEN r.people_at ELSE r.at END")} AS hour
              FROM {source or _mine()} r CROSS JOIN ({_EVERYBODY_AND_PEOPLE}) part
              WHERE r.link = 0 AND {_IS_COUNTED}) AS each_mail
        GROUP BY {key} ORDER BY {key}
        ON CONFLICT ({key}) DO UPDATE SET
            mails = analytics_reactionhour.mails + excluded.mails"""  # noqa: S608 - constants of ours


_EVERYBODY_AND_PEOPLE = "SELECT false AS people UNION ALL SELECT true"
_IS_COUNTED = "CASE WHEN part.people THEN r.people_events ELSE r.events END > 0"


def _mine() -> str:
    """SQL for the rows of the mails of one JSON parameter."""
    mails = sql.table({"id": "bigint"})
    return f"(SELECT r.* FROM {mails} mine JOIN analytics_reaction r ON r.sendlog_id = mine.id)"  # noqa: S608
