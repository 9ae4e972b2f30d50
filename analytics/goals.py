"""Counting goals: what people did elsewhere within a campaign's window after its mail.

Nothing is added up as events come in. All that one person did is counted anew against all the mails that
they got from a campaign, and the sums move by the difference: events and clicks may come late, in any
order, and be judged anew. The unit is a person in a campaign, since of two mails the later one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connection

from analytics import state
from analytics.horizon import Horizon
from analytics.models import THOUSANDTHS, Goal, GoalSum
from audience.models import CustomerEvent
from delivery import sql
from delivery.models import Event, SendLog

# Events looked at in one transaction.
EVENTS = 5_000
Pair = tuple[int, int]


def count(horizon: Horizon) -> None:
    """Count for the people about whom an event has come in since the last time.

    Commits by itself, some thousand events at a time; may be repeated, and stopped at any moment.
    """
    first, last = state.current().customer_event_id, horizon.ids[CustomerEvent]
    for after in range(first, last, EVENTS):
        until = min(after + EVENTS, last)
        with state.held() as counted:
            _recount(_selected(_BY_EVENT, [after, until]))
            if horizon.is_settled(CustomerEvent):
                counted.customer_event_id = max(counted.customer_event_id, until)
                counted.save(update_fields=["customer_event_id"])


def recount_mails(sendlog_ids: Iterable[int]) -> None:
    """Count for the people whom these mails went to. Inside state.held()."""
    mails = sql.rows({"id": sendlog_id} for sendlog_id in sendlog_ids)
    _recount(_selected(_BY_MAIL.format(mails=sql.table({"id": "bigint"})), [mails]))


def recount_range(first: int, end: int) -> None:
    """Count for the people of a block of the ledger, some of whose rows may be sent now. Inside state.held().

    Only for whom there is an event at all: a mail alone reaches nothing.
    """
    _recount(_selected(_BY_RANGE, [first, end]))


def begin_anew() -> None:
    """Forget everything. Inside state.held(); count() then fills it from the events."""
    Goal.objects.all().delete()
    GoalSum.objects.all().delete()


# --- The statements ----------------------------------------------------------------------------------

_PAIRS = "SELECT DISTINCT l.campaign_id, l.customer_id"
_HAS_GOAL = "JOIN campaigns_campaign c ON c.id = l.campaign_id AND c.goal_event <> ''"
_BY_EVENT = f"""
    {_PAIRS} FROM audience_customerevent e
    JOIN delivery_sendlog l ON l.customer_id = e.customer_id AND l.workspace_id = e.workspace_id
    {_HAS_GOAL} AND c.goal_event = e.name
    WHERE e.id > %s AND e.id <= %s ORDER BY 1, 2"""
_BY_MAIL = f"{_PAIRS} FROM {{mails}} mine JOIN delivery_sendlog l ON l.id = mine.id {_HAS_GOAL} ORDER BY 1, 2"
_BY_RANGE = f"""
    {_PAIRS} FROM delivery_sendlog l {_HAS_GOAL}
    WHERE l.id >= %s AND l.id < %s AND l.status = '{SendLog.Status.SENT}'
      AND EXISTS (SELECT 1 FROM audience_customerevent e
                  WHERE e.customer_id = l.customer_id AND e.name = c.goal_event)
    ORDER BY 1, 2"""  # noqa: S608 - constants of ours


def _selected(statement: str, params: Sequence[int | str]) -> list[Pair]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return [(campaign, customer) for campaign, customer in cursor.fetchall()]


def _recount(pairs: Sequence[Pair]) -> None:
    """Count these people of these campaigns anew; the sums move by the difference to before."""
    if not pairs:
        return
    mine = sql.rows({"campaign_id": campaign, "customer_id": customer} for campaign, customer in pairs)
    with connection.cursor() as cursor:
        for statement in (_sums(-1), _forget(), _reached(), _sums(1)):
            cursor.execute(statement, [mine])


def _mine() -> str:
    """SQL for the pairs of one JSON parameter."""
    return sql.table({"campaign_id": "bigint", "customer_id": "bigint"})


def _goals() -> str:
    """SQL for what is counted of the pairs so far, found by their mails."""
    return f"""
        SELECT g.* FROM {_mine()} mine
        JOIN delivery_sendlog l ON l.customer_id = mine.customer_id AND l.campaign_id = mine.campaign_id
        JOIN analytics_goal g ON g.sendlog_id = l.id"""  # noqa: S608 - constants of ours


def _forget() -> str:
    return f"DELETE FROM analytics_goal WHERE sendlog_id IN (SELECT sendlog_id FROM ({_goals()}) AS old)"  # noqa: S608


def _sums(sign: int) -> str:
    """Add what is counted of the pairs to the sums, or with -1 take it away."""
    key = "campaign_id, step, clicked"
    return f"""
        INSERT INTO analytics_goalsum ({key}, mails, events, value)
        SELECT {key}, {sign} * count(*), {sign} * sum(events), {sign} * sum(value)
        FROM ({_goals()}) AS goals GROUP BY {key} ORDER BY {key}
        ON CONFLICT ({key}) DO UPDATE SET mails = analytics_goalsum.mails + excluded.mails,
            events = analytics_goalsum.events + excluded.events,
            value = analytics_goalsum.value + excluded.value"""  # noqa: S608 - constants of ours


def _reached() -> str:
    """Write what the pairs have reached: each event for the last mail in whose window it lies."""
    return f"""
        WITH begun AS (
            SELECT l.id, l.workspace_id, l.campaign_id, l.step, l.customer_id, basis.clicked,
                c.goal_event, c.goal_days, c.goal_value,
                CASE WHEN basis.clicked THEN click.people_at ELSE l.sent_at END AS at
            FROM {_mine()} mine
            JOIN delivery_sendlog l ON l.customer_id = mine.customer_id AND l.campaign_id = mine.campaign_id
              AND l.status = '{SendLog.Status.SENT}' AND l.sent_at IS NOT NULL
            {_HAS_GOAL}
            CROSS JOIN (SELECT true AS clicked UNION ALL SELECT false) basis
            LEFT JOIN analytics_reaction click ON click.sendlog_id = l.id
              AND click.type = '{Event.Type.CLICKED}' AND click.link = 0 AND click.people_events > 0
            WHERE basis.clicked OR NOT EXISTS (
                SELECT 1 FROM analytics_reaction b
                WHERE b.sendlog_id = l.id AND b.type = '{Event.Type.BOUNCED}' AND b.link = 0)),
        found AS (
            SELECT begun.*, e.at AS happened_at, {_value()} AS value,
                row_number() OVER (PARTITION BY begun.campaign_id, begun.clicked, e.id
                                   ORDER BY begun.at DESC, begun.id DESC) AS place
            FROM begun JOIN audience_customerevent e
              ON e.customer_id = begun.customer_id AND e.workspace_id = begun.workspace_id
              AND e.name = begun.goal_event AND e.at >= begun.at AND {_is_within()})
        INSERT INTO analytics_goal
            (sendlog_id, clicked, workspace_id, campaign_id, step, customer_id, at, events, value)
        SELECT id, clicked, workspace_id, campaign_id, step, customer_id,
            min(happened_at), count(*), sum(value)
        FROM found WHERE place = 1 GROUP BY 1, 2, 3, 4, 5, 6"""  # noqa: S608 - constants of ours


def _is_within() -> str:
    """SQL for whether an event lies before the end of a mail's window."""
    if sql.is_postgresql():
        return "e.at < begun.at + begun.goal_days * interval '1 day'"
    # As texts: both written alike.
    written = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', {})"
    end = written.format("begun.at, '+' || begun.goal_days || ' days'")
    return f"{written.format('e.at')} < {end}"


def _value() -> str:
    """SQL for the named property in thousandths; 0 of events that do not have it as a number.

    Beyond what anybody earns with one order nothing is believed.
    """
    if sql.is_postgresql():
        number = "(e.properties ->> begun.goal_value)::numeric"
        is_number = "jsonb_typeof(e.properties -> begun.goal_value) = 'number'"
    else:
        place = "e.properties, '$.\"' || begun.goal_value || '\"'"
        number, is_number = f"json_extract({place})", f"json_type({place}) IN ('integer', 'real')"
    return f"""CASE WHEN {is_number} THEN
        CASE WHEN {number} BETWEEN -1000000000 AND 1000000000
             THEN CAST(round({number} * {THOUSANDTHS}) AS bigint) ELSE 0 END
        ELSE 0 END"""
