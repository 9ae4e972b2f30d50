"""The life signs of the engine's processes: who looks for due mail, who sends it, and when last.

Ages are by the database's clock, since hosts disagree. What a sign is for is people: nothing of the
pipeline depends on one, and a sign that cannot be written stops nobody from sending.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error, connection
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from delivery import sql
from delivery.models import Heartbeat

logger = logging.getLogger(__name__)

Kind = Heartbeat.Kind
# The names of the schedulers: Celery's beat, and `manage.py send_due` as cron calls it.
BEAT, CRON = "beat", "cron"
# Seconds between two signs of a process that has nothing new to say.
EVERY = 5.0
# A process is late when it has given no sign for so long: a worker that stays may wait half a minute
# for a mail server, and beat rings every 5 s.
LATE = timedelta(seconds=60)
# The same for whom nobody expects sooner: cron, which may ring as seldom as every 10 minutes, and a
# worker that does nothing until beat calls it, while among many it may be another's turn.
CALLED_LATE = timedelta(minutes=15)
FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sign:
    """The last sign of one process."""

    name: str
    kind: str
    # Empty: nothing, until it is called.
    doing: str
    started_at: datetime
    age: timedelta

    @property
    def is_late(self) -> bool:
        is_called = self.name == CRON or (self.kind == Kind.WORKER and not self.doing)
        return self.age > (CALLED_LATE if is_called else LATE)


def beat(name: str, kind: Kind, doing: str = "") -> None:
    """Write that a process lives, and what it does; empty: nothing, until it is called.

    One upsert in a commit of its own, to be repeated about every EVERY seconds. A database that is away
    is logged and not raised. Call it outside transactions, which a failed statement would break.
    """
    now = sql.now()
    statement = f"""
        INSERT INTO delivery_heartbeat (name, kind, doing, started_at, seen_at)
        VALUES (%s, %s, %s, {now}, {now})
        ON CONFLICT (name) DO UPDATE SET doing = excluded.doing, seen_at = excluded.seen_at"""  # noqa: S608
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, [name[:80], kind, doing[:200]])
    except Error:
        logger.warning("heartbeat not written", extra={"heartbeat": name}, exc_info=True)


def stop(name: str) -> None:
    """Forget a process that ends by itself: it is not missing. A database that is away is logged."""
    try:
        Heartbeat.objects.filter(pk=name[:80]).delete()
    except Error:
        logger.warning("heartbeat not removed", extra={"heartbeat": name}, exc_info=True)


def forget_old() -> None:
    """Remove the processes that have given no sign for a day. May be repeated."""
    Heartbeat.objects.filter(seen_at__lt=Now() - FORGOTTEN).delete()


def signs() -> list[Sign]:
    """Every process of the last day, schedulers first: one query."""
    age = ExpressionWrapper(Now() - F("seen_at"), output_field=DurationField())
    recent = Heartbeat.objects.filter(seen_at__gte=Now() - FORGOTTEN).annotate(age=age)
    return [Sign(*row) for row in recent.values_list("name", "kind", "doing", "started_at", "age")]


def alive(kind: Kind) -> bool:
    """Whether any process of this kind gave its sign in time."""
    return any(sign.kind == kind and not sign.is_late for sign in signs())


def somebody_looks(processes: Iterable[Sign]) -> bool:
    """Whether somebody looks for due mail: a scheduler in time or, where none is used, a worker that stays.

    A scheduler that fell silent counts although workers live: what it told them to do comes to an end.
    """
    known = list(processes)
    schedulers = [sign for sign in known if sign.kind == Kind.SCHEDULER]
    return any(not sign.is_late for sign in schedulers or known)
