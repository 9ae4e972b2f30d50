"""The doorbell of the distributed mode: beat rings it, any worker answers. It carries no recipients."""

from __future__ import annotations

import logging

from celery import shared_task

from delivery import heartbeats, worker
from delivery.models import Heartbeat

logger = logging.getLogger(__name__)

# A bell that nobody has heard after so many seconds need not be heard any more.
BELL_SECONDS = 15


@shared_task
def tick(rung_by: str = heartbeats.BEAT) -> dict[str, int]:
    """Send what is due; how many mails came to which end.

    A worker that has mail to hand over wakes another, so that all of them are at work soon, also after
    some were killed. Without the broker nobody is woken, which costs time until the next beat and no mail.
    """
    if rung_by == heartbeats.BEAT:
        heartbeats.beat(heartbeats.BEAT, Heartbeat.Kind.SCHEDULER)
    return dict(worker.tick(on_work=wake_another))


def wake_another() -> None:
    """Ring for another worker; if the broker cannot be reached, go on alone."""
    try:
        tick.apply_async(("worker",), expires=BELL_SECONDS)
    except Exception as error:
        # Not OperationalError alone: kombu raises AttributeError on a channel that died under it.
        logger.warning("the broker cannot be reached: no other worker was woken (%s)", error)
