"""The time that the engine goes by: this moment, or the one that a simulation or a test has set.

Flows, filling and the gate ask here, or in SQL audience.sql.now(), so that they can be run through a
year in a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django.utils import timezone

_set: ContextVar[datetime | None] = ContextVar("drumbeat_clock", default=None)


def now() -> datetime:
    """This moment, or the one that is set."""
    return _set.get() or timezone.now()


def moment_set() -> datetime | None:
    """The moment that is set; None: time is what it is."""
    return _set.get()


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Let everything in this thread happen at one moment."""
    token = _set.set(moment)
    try:
        yield
    finally:
        _set.reset(token)
