"""The mails that customers got and how people reacted, as arrays: some thousand customers at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import F

from analytics.dialect import by_person, hour
from analytics.send_time.clocks import hours_of_week
from analytics.send_time.model import DAY, WEEK, WINDOW, Array, Flags, Hours
from audience.models import Customer, Workspace
from campaigns.models import Campaign
from delivery import sql
from delivery.models import Event, SendLog

CHUNK = 5000
# Mails older than that are not read, and a mail counts half as much as one that is so much younger.
WEEKS, HALF_LIFE_WEEKS = 40, 12
# Opening takes less than clicking, and is harder to tell from a machine's doing.
CLICK, OPEN = 1.0, 0.25


@dataclass(frozen=True)
class History:
    """Mails to some customers, and the reaction to each; one row of the arrays is a mail.

    `person` counts in `customers`; `sent` is the hour of the week on the customer's clock; `delay` the hours
    until the reaction, of which `value` says what it counts (0: there was none). `recency` is what the
    mail itself counts, and `own_hour` whether it was sent at the customer's own best hour.
    """

    customers: Hours
    zones: list[str]
    person: Hours
    campaign: Hours
    sent: Hours
    delay: Hours
    value: Array
    recency: Array
    own_hour: Flags

    def only(self, chosen: Flags) -> History:
        """Some of the mails, to the same customers."""
        by_mail = ("person", "campaign", "sent", "delay", "value", "recency", "own_hour")
        return replace(self, **{name: getattr(self, name)[chosen] for name in by_mail})

    def sent_by_person(self) -> Array:
        """Mails by customer and hour of the week."""
        return _counted(self.person, self.sent, (len(self.customers), WEEK), self.recency)

    def reacted_by_person(self) -> Array:
        """Reactions by customer and hour of the day."""
        hours = (self.sent + self.delay) % DAY
        return _counted(self.person, hours, (len(self.customers), DAY), self.recency * self.value)

    def squares_by_person(self) -> Array:
        """The squared values of reactions by customer."""
        return np.bincount(self.person, (self.recency * self.value) ** 2, len(self.customers)).astype(float)


def read(workspace: Workspace, now: datetime, *, after: int = 0, every: int = 1) -> Iterator[History]:
    """All customers of the workspace with what happened in the last WEEKS, by id, CHUNK at a time.

    Mails of the last WINDOW hours are left out: their reactions are still coming. With `every` one in so
    many customers is read.
    """
    while True:
        customers = Customer.objects.of(workspace).filter(id__gt=after)
        if every > 1:
            customers = customers.alias(turn=F("id") % every).filter(turn=0)
        chunk = list(customers.order_by("id").values_list("id", "time_zone")[:CHUNK])
        if not chunk:
            return
        yield _history(workspace, now, chunk, every)
        after = chunk[-1][0]


def _history(workspace: Workspace, now: datetime, chunk: list[tuple[int, str]], every: int) -> History:
    rows = _rows(workspace, now, chunk[0][0], chunk[-1][0], every)
    customers = np.array([pk for pk, _ in chunk], dtype=np.int64)
    place = np.searchsorted(customers, rows[:, 0])
    # A customer may have been deleted, or made, between the two statements.
    known = customers[np.minimum(place, len(customers) - 1)] == rows[:, 0]
    rows, person = rows[known], place[known]
    names = [zone or workspace.time_zone for _, zone in chunk]
    zones = sorted(set(names))
    numbers = {zone: number for number, zone in enumerate(zones)}
    zone_of = np.array([numbers[name] for name in names], dtype=np.int64)[person]
    delay, value = _reactions(rows[:, 3], rows[:, 4], rows[:, 5])
    age = (now.timestamp() / 3600 - rows[:, 3]) / WEEK
    return History(
        customers=customers,
        zones=names,
        person=person,
        campaign=rows[:, 1],
        sent=hours_of_week(zones, zone_of, rows[:, 3]),
        delay=delay,
        value=value,
        recency=0.5 ** (age / HALF_LIFE_WEEKS),
        own_hour=rows[:, 2] == 1,
    )


def _reactions(sent: Hours, clicked: Hours, opened: Hours) -> tuple[Hours, Array]:
    """The first click in time, else the first opening: its delay in hours, and what it counts."""
    delays = [clicked - sent, opened - sent]
    in_time = [(delay >= 0) & (delay < WINDOW) for delay in delays]
    return np.select(in_time, delays, 0), np.select(in_time, [CLICK, OPEN], 0.0)


def _rows(workspace: Workspace, now: datetime, first: int, last: int, every: int) -> Hours:
    """A row per mail: customer, campaign, own hour, and the hours of sending, first click, first opening."""
    since, until = now - timedelta(weeks=WEEKS), now - timedelta(hours=WINDOW)
    turn = f"AND l.customer_id %% {every:d} = 0" if every > 1 else ""
    statement = f"""
        SELECT l.customer_id, l.campaign_id, CASE WHEN c.clock = '{Campaign.Clock.BEST}' THEN 1 ELSE 0 END,
            {hour("l.sent_at")}, COALESCE({hour("r.clicked")}, -1),
            COALESCE({hour("r.opened")}, -1)
        FROM delivery_sendlog l
        JOIN campaigns_campaign c ON c.id = l.campaign_id
        LEFT JOIN (
            SELECT e.sendlog_id,
                min(e.at) FILTER (WHERE e.type = '{Event.Type.CLICKED}') AS clicked,
                min(e.at) FILTER (WHERE e.type = '{Event.Type.OPENED}') AS opened
            FROM delivery_event e
            WHERE e.customer_id BETWEEN %s AND %s AND e.at >= %s AND {by_person("e")}
                AND e.type IN ('{Event.Type.CLICKED}', '{Event.Type.OPENED}')
            GROUP BY e.sendlog_id) r ON r.sendlog_id = l.id
        WHERE l.workspace_id = %s AND l.customer_id BETWEEN %s AND %s AND l.status = '{SendLog.Status.SENT}'
            AND l.sent_at >= %s AND l.sent_at < %s {turn}"""  # noqa: S608 - constants of ours
    params: list[Any] = [first, last, sql.moment(since), workspace.pk, first, last]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, sql.moment(since), sql.moment(until)])
        return np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 6)


def _counted(row: Hours, column: Hours, shape: tuple[int, int], weights: Array) -> Array:
    flat = np.bincount(row * shape[1] + column, weights, shape[0] * shape[1])
    return flat.reshape(shape).astype(float)
