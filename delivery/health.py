"""Whether this installation can do its work, in words for monitors: no names, no addresses, no secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings

from delivery import heartbeats, installation, limits, operations, probes
from delivery.heartbeats import Sign
from delivery.operations import Queue

# Mail that has been due for so long, while no limit holds it back and no worker has any in hand, is late;
# so is a provider's report that nobody has processed.
OVERDUE = timedelta(minutes=15)
DATABASE_SECONDS = 2.0
REDIS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says about the engine."""

    signs: list[Sign]
    reports_late: bool = False
    overdue: list[Queue] = field(default_factory=list)
    rules: dict[int, limits.Rules] = field(default_factory=dict)


def health() -> tuple[str, dict[str, str]]:
    """The state of the whole (ok, degraded, down) and of each part, in about three seconds at the most.

    Down: the database does not answer, so no page does. Degraded: people are served, mail may not be.
    """
    try:
        known = DATABASE.answer(DATABASE_SECONDS)
    except probes.NoAnswer:
        return "down", {"database": "away"}
    redis = redis_state(known.signs)
    checks = {
        "database": "ok",
        "sending": _sending(known.signs),
        "scheduler": "ok" if heartbeats.somebody_looks(known.signs) else "late",
        "redis": redis,
        "due_mail": "late" if _is_overdue(known, redis) else "ok",
        "reports": "late" if known.reports_late else "ok",
    }
    return "ok" if set(checks.values()) <= {"ok", "unused"} else "degraded", checks


def _sending(signs: list[Sign]) -> str:
    """ok, off, or unconfirmed: a worker waits for a person, since the database may be a copy."""
    if not settings.ENABLE_EMAIL_SCHEDULER:
        return "off"
    return "unconfirmed" if installation.waits(signs) else "ok"


def redis_state(signs: list[Sign]) -> str:
    """Whether the Redis of the broker and that of the limits answer: ok, away, or unused."""
    urls = {url for url in (settings.RATE_LIMIT_STORAGE,) if not url.startswith("memory:")}
    if any(sign.name == heartbeats.BEAT for sign in signs):
        urls.add(settings.REDIS_URL)
    if not urls:
        return "unused"
    return "ok" if all(probes.redis_answers(url, REDIS_SECONDS) for url in urls) else "away"


def _ask_database() -> Known:
    signs = heartbeats.signs()
    age = operations.reports().age
    reports_late = age is not None and age > OVERDUE
    if not settings.ENABLE_EMAIL_SCHEDULER or operations.is_sending():
        return Known(signs, reports_late)
    waiting = operations.queues(most=operations.LEAST)
    overdue = [queue for queue in waiting if queue.age is not None and queue.age > OVERDUE]
    return Known(signs, reports_late, overdue, limits.rules({queue.sender_id for queue in overdue}))


def _is_overdue(known: Known, redis: str) -> bool:
    """Whether mail waits that no limit holds back. A limit that cannot be counted is none to wait for."""
    if not known.overdue or redis == "away":
        return bool(known.overdue)
    limiter = limits.limiter()
    try:
        return any(
            limiter.room(known.rules[queue.sender_id], queue.provider)
            for queue in known.overdue
            if queue.sender_id in known.rules
        )
    except limits.LimiterUnavailable:
        return True


DATABASE = probes.Question(_ask_database)
