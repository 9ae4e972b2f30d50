"""The engine's loop: find what is due, fill, claim, hand over, finish, mend.

Beat, cron (`manage.py send_due`) and the embedded worker all come through here; two at once are
harmless on PostgreSQL, and on SQLite, which has one writer, the second is refused.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from audience import imports
from campaigns import lifecycle, schedule
from campaigns.models import Campaign
from delivery import feedback, senders, sql, sweep
from delivery.claim import claim
from delivery.fill import fill_page
from delivery.finish import finish_done_campaigns
from delivery.handover import Hands, hand_over
from delivery.journal import Journal
from delivery.models import Progress

logger = logging.getLogger(__name__)

# Seconds between two looks at what dead workers left behind.
MEND_EVERY = 10.0
# Seconds of an import in one round.
IMPORT_SECONDS = 2.0
# Seconds between two looks at an empty queue.
POLL_EVERY = 1.0


class AnotherSender(Exception):
    """Another process is sending from this SQLite database already; it will send what is due.

    To run several senders, use PostgreSQL (DATABASE_URL).
    """

    def __init__(self) -> None:
        super().__init__(" ".join((self.__doc__ or "").split()))


class Worker:
    """One sender process. Use it as a context manager; `counts` says what it has done so far."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.counts: Counter[str] = Counter()
        self._lock: IO[str] | None = None
        self._hands: Hands | None = None
        self._mended_at = float("-inf")

    def __enter__(self) -> Self:
        if not sql.is_postgresql():
            self._lock = _only_sender()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hands is not None:
            self._hands.close()
            if kind is None:
                self._hands.journal.close()
            else:
                self._hands.journal.abandon()
        if self._lock is not None:
            self._lock.close()

    def run_once(self) -> bool:
        """Take one round: a page and a batch of every campaign that is due. True: there was work.

        Rounds give each campaign its turn, so that a large one does not starve a small one, and an
        import a slice of time, so that it holds up no mail for long.
        """
        imported = imports.claim_and_run_next(seconds=IMPORT_SECONDS) is not None
        if not settings.ENABLE_EMAIL_SCHEDULER:
            return imported
        self._mend()
        campaigns = schedule.due_campaigns(timezone.now())
        filled = set(
            Progress.objects.filter(campaign__in=campaigns, filled_at__isnull=False).values_list(
                "pk", flat=True
            )
        )
        worked = imported
        for campaign in campaigns:
            if campaign.pk not in filled:
                worked |= _fill(campaign)
            worked |= self._send_batch(campaign)
        return finish_done_campaigns() > 0 or worked

    def run_until_idle(self, stop: Callable[[], bool] = lambda: False, seconds: float = 60.0) -> None:
        """Take rounds until nothing is due, `stop` says so, or the time is over."""
        end = time.monotonic() + seconds
        while not stop() and time.monotonic() < end and self.run_once():
            pass

    def run_forever(self, wait: Callable[[float], bool]) -> None:
        """Take rounds until `wait(seconds)` says to stop; a database that is away is waited for."""
        while not wait(0):
            try:
                worked = self.run_once()
            except DatabaseError:
                logger.exception("the database failed; trying again")
                self._abandon_journal()
                close_old_connections()
                worked = False
            if not worked:
                wait(POLL_EVERY)

    def _send_batch(self, campaign: Campaign) -> bool:
        claims = claim(campaign, self.name, settings.SEND_BATCH_SIZE)
        if claims:
            self._hands = self._hands or Hands(Journal(self.name))
            self.counts += hand_over(campaign, claims, self._hands)
        return bool(claims)

    def _mend(self) -> None:
        if time.monotonic() - self._mended_at < MEND_EVERY:
            return
        self._mended_at = time.monotonic()
        sweep.recover()
        sweep.expire_leases()
        sweep.cancel_rows_of_ended_campaigns()
        senders.relieve_stopped()
        feedback.apply_left_over()

    def _abandon_journal(self) -> None:
        """Leave the journal to recovery, which knows what was in hand when the database went away."""
        if self._hands is not None:
            self._hands.close()
            self._hands.journal.abandon()
            self._hands = None
            self._mended_at = float("-inf")


def _fill(campaign: Campaign) -> bool:
    """Fill a page; a campaign whose audience cannot be found any more fails, and holds up no other."""
    try:
        return fill_page(campaign)
    except ValueError as error:
        # Somebody may have ended it meanwhile.
        with suppress(lifecycle.InvalidTransition):
            lifecycle.fail(campaign, f"The audience cannot be found any more: {error}")
        return True


def tick() -> Counter[str]:
    """Send what is due for at most a minute, then return what became of the mails."""
    with Worker() as worker:
        worker.run_until_idle()
    return worker.counts


def _only_sender() -> IO[str]:
    """The lock that makes this process the only sender on SQLite. Raises AnotherSender."""
    lock = (Path(settings.DATA_DIR) / "sender.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AnotherSender from error
    return lock
