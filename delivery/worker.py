"""The engine's loop: find what is due, fill, give lanes their turns, finish, mend.

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
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from django.conf import settings
from django.db import Error, close_old_connections

from audience import clock, idempotency, imports
from campaigns import lifecycle, schedule
from campaigns.flows import runs
from campaigns.models import Campaign, Grant
from delivery import (
    feedback,
    flow_mails,
    heartbeats,
    installation,
    limits,
    reactions,
    replay,
    senders,
    sql,
    sweep,
    warm_up,
)
from delivery.fill import fill_page
from delivery.finish import finish_done_campaigns
from delivery.handover import Hands, take_turn
from delivery.inbound import shelf
from delivery.journal import Journal
from delivery.lanes import Lane, Turns, due_lanes
from delivery.models import Heartbeat, Progress
from delivery.signups import queue as signup_mails

logger = logging.getLogger(__name__)

# Seconds between two looks at what dead workers left behind; while no campaign is due, the second.
MEND_EVERY = 10.0
MEND_IDLE_EVERY = 30.0
# Seconds of an import, of taking in opens and clicks, of providers' reports, of mails that ask to confirm a
# sign-up, and of filling a campaign's ledger, in one round.
IMPORT_SECONDS = 2.0
REACTION_SECONDS = 1.0
REPORT_SECONDS = 2.0
SIGNUP_SECONDS = 2.0
FILL_SECONDS = 1.0
# Seconds between two looks at an empty queue, and at lanes that wait for a limit.
POLL_EVERY = 2.0
WAIT_EVERY = 0.2
# After so many seconds a lane's turn takes no further portion; the second while no other lane is waiting.
TURN_SECONDS = 3.0
LONE_TURN_SECONDS = 10.0
# Seconds for which the senders' limits are believed, once read.
RULES_SECONDS = 5.0
# Seconds between two calls for help by a worker that has mail to hand over.
WAKE_EVERY = 5.0
# Seconds that one doorbell is worth: a worker that is told to stop ends within them.
TICK_SECONDS = 20.0


class AnotherSender(Exception):
    """Another process is sending from this SQLite database already; it will send what is due.

    To run several senders, use PostgreSQL (DATABASE_URL).
    """

    def __init__(self) -> None:
        super().__init__(" ".join((self.__doc__ or "").split()))


def process_name() -> str:
    """This process, as heartbeats and operators know it."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}"


class Worker:
    """One sender process. Use it as a context manager; `counts` says what it has done so far."""

    def __init__(self, mended_at: float = float("-inf"), on_work: Callable[[], None] = lambda: None) -> None:
        """`on_work` is called while there is mail to hand over, every five seconds at most: others help."""
        self.name = f"{process_name()}-{uuid.uuid4().hex[:6]}"
        self.counts: Counter[str] = Counter()
        # By this machine's monotonic clock.
        self.mended_at = mended_at
        self._on_work = on_work
        self._woke_at = float("-inf")
        self._lock: IO[str] | None = None
        self._hands: Hands | None = None
        self._limiter = limits.limiter()
        self._rules: Mapping[int, limits.Rules] = {}
        self._rules_read_at = float("-inf")
        self._turns = Turns()
        self._rest = POLL_EVERY
        self._shown_at = float("-inf")

    def __enter__(self) -> Self:
        if not sql.is_postgresql():
            self._lock = _only_sender()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go(settled=kind is None)
        if self._lock is not None:
            self._lock.close()

    def run_once(self) -> bool:
        """Take one round: an import, opens and clicks, filling, one lane's turn. True: there was work.

        The lane is the one that has waited longest, so that a large campaign does not starve a small
        one; all else gets a slice of time, so that it holds up no mail for long.
        """
        self._rest = POLL_EVERY
        taken_in = _take_in()
        if not settings.ENABLE_EMAIL_SCHEDULER or installation.unconfirmed():
            return taken_in
        campaigns = schedule.due_campaigns(clock.now())
        self._mend(MEND_EVERY if campaigns else MEND_IDLE_EVERY)
        asked = signup_mails.send_due(SIGNUP_SECONDS) > 0
        if not campaigns:
            return taken_in or asked
        filled = self._fill_some(campaigns)
        served = self._serve(due_lanes(campaigns, clock.now()))
        return finish_done_campaigns() > 0 or taken_in or asked or filled or served

    def run_until_idle(self, stop: Callable[[], bool] = lambda: False, seconds: float = 60.0) -> None:
        """Take rounds until nothing is due, `stop` says so, or the time is over; waits for short limits."""
        end = time.monotonic() + seconds
        while not stop() and time.monotonic() < end:
            if self.run_once():
                continue
            if self._rest >= POLL_EVERY:
                return
            time.sleep(self._rest)

    def run_forever(self, wait: Callable[[float], bool]) -> None:
        """Take rounds until `wait(seconds)` says to stop; a database that is away is waited for."""
        while not wait(0):
            try:
                worked = self.run_once()
            except Error:
                logger.exception("the database failed; trying again")
                self._let_go(settled=False)
                close_old_connections()
                worked = False
            if not worked:
                self._show_life(_idly())
                wait(self._rest)
        heartbeats.stop(process_name())

    def _show_life(self, doing: str) -> None:
        if time.monotonic() - self._shown_at > heartbeats.EVERY:
            self._shown_at = time.monotonic()
            heartbeats.beat(process_name(), Heartbeat.Kind.WORKER, doing)

    def _fill_some(self, campaigns: list[Campaign]) -> bool:
        """Fill some pages of each campaign that is not filled yet, while others send what is filled."""
        done = Progress.objects.filter(campaign__in=campaigns, filled_at__isnull=False)
        filled = set(done.values_list("pk", flat=True))
        worked = False
        for campaign in campaigns:
            end = time.monotonic() + FILL_SECONDS
            while campaign.pk not in filled and time.monotonic() < end and _fill(campaign):
                worked = True
                self._wake_others()
        return worked

    def _serve(self, lanes: list[Lane]) -> bool:
        """Give a turn to the next lane whose sender has room in its limits; False: there is none."""
        seconds = TURN_SECONDS if len(lanes) > 1 else LONE_TURN_SECONDS
        while (lane := self._turns.next(lanes)) is not None:
            rules = self._rules_of(lane)
            rest = self._rest_of(lane, rules)
            if not rest:
                self._show_life(f"sends campaign {lane.campaign.pk}")
                self._wake_others()
                self.counts += take_turn(lane, self._open_hands(), rules, seconds)
                return True
            self._rest = min(self._rest, max(rest, WAIT_EVERY))
            lanes.remove(lane)
        return False

    def _wake_others(self) -> None:
        if time.monotonic() - self._woke_at > WAKE_EVERY:
            self._woke_at = time.monotonic()
            self._on_work()

    def _rest_of(self, lane: Lane, rules: limits.Rules) -> float:
        """Seconds until the lane's sender has room in its limits; 0: now."""
        try:
            if any(self._limiter.room(rules, provider) for provider in lane.providers):
                return 0.0
            return min(self._limiter.wait(rules, provider) for provider in lane.providers)
        except limits.LimiterUnavailable:
            return POLL_EVERY

    def _rules_of(self, lane: Lane) -> limits.Rules:
        old = time.monotonic() - self._rules_read_at > RULES_SECONDS
        if old or lane.sender.pk not in self._rules:
            self._rules = limits.rules({lane.sender.pk, *({} if old else self._rules)})
            self._rules_read_at = time.monotonic()
        return self._rules[lane.sender.pk]

    def _open_hands(self) -> Hands:
        self._hands = self._hands or Hands(self.name, Journal(self.name), self._limiter)
        return self._hands

    def _let_go(self, settled: bool) -> None:
        """Close what is open; a journal in which something is in doubt is left to recovery."""
        if self._hands is None:
            return
        self._hands.close()
        if settled:
            self._hands.journal.close()
        else:
            self._hands.journal.abandon()
            self.mended_at = float("-inf")
        self._hands = None

    def _mend(self, every: float) -> None:
        if time.monotonic() - self.mended_at < every:
            return
        self.mended_at = time.monotonic()
        sweep.recover()
        sweep.expire_leases()
        sweep.cancel_rows_of_ended_campaigns()
        runs.leave_ended()
        senders.relieve_stopped()
        _look_into_mailboxes()
        senders.relieve_missing()
        feedback.apply_left_over()
        replay.replay_unknown(self._open_hands)
        warm_up.advance()
        signup_mails.mend()
        shelf.prune()
        idempotency.clear()
        heartbeats.forget_old()


def _take_in() -> bool:
    """Go on with an import, and with what came back; whether there was any of it."""
    imported = imports.claim_and_run_next(seconds=IMPORT_SECONDS) is not None
    hits = reactions.take_in(REACTION_SECONDS)
    return _take_in_reports() or imported or hits > 0


def _take_in_reports() -> bool:
    """Act on providers' reports; what reads them is imported with the first one (decision 11)."""
    if not shelf.is_waiting():
        return False
    from delivery.inbound import inbox

    return inbox.process(seconds=REPORT_SECONDS) > 0


def _look_into_mailboxes() -> None:
    """Look for mails in doubt, and for what came back; what asks is imported where there is a mailbox."""
    if Grant.objects.filter(may_look_up=True).exists():
        from delivery import doubts
        from delivery.inbound import returned

        doubts.look_up()
        returned.collect()


def _fill(campaign: Campaign) -> bool:
    """Fill a page, or take a flow further. A campaign whose audience cannot be found any more fails, a flow
    is paused, for somebody to mend it; neither holds up another.
    """
    try:
        return flow_mails.run(campaign) if campaign.flow_id else fill_page(campaign)
    except ValueError as error:
        # Somebody may have ended it meanwhile.
        with suppress(lifecycle.InvalidTransition):
            if campaign.flow_id:
                lifecycle.pause(campaign, reason=f"The flow cannot go on: {error}")
            else:
                lifecycle.fail(campaign, f"The audience cannot be found any more: {error}")
        return True


_mended_at = float("-inf")


def tick(on_work: Callable[[], None] = lambda: None) -> Counter[str]:
    """Send what is due for a while, then return what became of the mails.

    `on_work` is that of Worker. Safe to run twice and in parallel.
    """
    global _mended_at  # noqa: PLW0603 - of this process: each tick has a worker of its own
    with Worker(_mended_at, on_work) as worker:
        worker.run_until_idle(seconds=TICK_SECONDS)
        _mended_at = worker.mended_at
    # Nothing to do, until it is called again.
    heartbeats.beat(process_name(), Heartbeat.Kind.WORKER, installation.WAITS if installation.found() else "")
    return worker.counts


def _idly() -> str:
    return installation.WAITS if installation.found() else "looks for due mail"


def _only_sender() -> IO[str]:
    """The lock that makes this process the only sender on SQLite. Raises AnotherSender."""
    lock = (Path(settings.DATA_DIR) / "sender.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AnotherSender from error
    return lock
