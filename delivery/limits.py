"""How many mails a sender may hand over now: between stages 4 and 5 of the pipeline, before the gate.

Counted with the `limits` library, in Redis across all workers (RATE_LIMIT_STORAGE), in the embedded
mode in this process. docs/decisions/0006-limits.md says why each of them is counted as it is:

- A limit is a moving window: whichever second, minute, hour or 24 hours one looks at, no more than the
  limit left in it. Redis keeps a moment per mail for that, 20 bytes; above EXACT_UP_TO mails it keeps
  two sums instead (sliding window counter), which lets short bursts beyond a large limit.
- The delay between two mails is a window of one mail.
- A day's cap, from a warm-up or a limit per day, is also a plain sum per day (UTC). The day's sum in
  the database (SenderDay) is its floor, so that it survives a Redis that was flushed.

Everything that a window has counted stays counted, though the mail may not have left in the end: too
few mails for a moment, never too many. The clocks of the hosts are expected to be in step.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from django.conf import settings
from django.utils import timezone
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter
from redis import RedisError

from audience.mailbox_providers import MailboxProvider
from campaigns.models import Sender, SenderLimit, WarmUp
from delivery.models import SenderDay

DAY = 86_400
SECONDS: dict[str, int] = {
    SenderLimit.Period.SECOND: 1,
    SenderLimit.Period.MINUTE: 60,
    SenderLimit.Period.HOUR: 3_600,
    SenderLimit.Period.DAY: DAY,
}
# Stands for "as many as you like".
UNLIMITED = 1_000_000_000
# The largest limit whose mails are remembered one by one: 2 MB of Redis for each such window.
EXACT_UP_TO = 100_000
# A limit that is used up is asked again after so long at the soonest.
LEAST_WAIT = 0.01
KEY_PREFIX = "drumbeat:limits"
# A Redis that has frozen is waited for once, and then not asked again for a while.
ANSWER_SECONDS = 1.0
AWAY_SECONDS = 5.0
# A lost day's sum is restored by one worker; another may try when that one has died of it.
RESTORE_SECONDS = 5


class LimiterUnavailable(Exception):
    """Limits are counted in Redis, and Redis does not answer; senders without limits go on."""


class Window(RateLimitItemPerSecond):
    """At most so many mails in any span of so many seconds, to everyone or to one mailbox provider.

    Its key leaves the number out: a limit that is changed keeps what it has counted.
    """

    __slots__ = ("sender_id", "period", "provider")

    def __init__(self, sender_id: int, mails: int, seconds: int, period: str, provider: str = "") -> None:
        super().__init__(mails, seconds)
        self.sender_id = sender_id
        self.period = period
        self.provider = provider

    def __str__(self) -> str:
        if self.period == "delay":
            return f"one mail every {self.seconds} seconds" if self.seconds > 1 else "one mail a second"
        to = f" to {MailboxProvider(self.provider).label}" if self.provider else ""
        return f"{self.amount:,} per {self.period}{to}"

    def key_for(self, *_: object) -> str:
        return f"{self.sender_id}/{self.provider or 'everyone'}/{self.period}"

    @property
    def seconds(self) -> int:
        return self.get_expiry()


@dataclass(frozen=True, slots=True)
class Rules:
    """What limits one sender, as it stood when it was read."""

    sender_id: int
    # Shortest first, the delay among them.
    windows: tuple[Window, ...] = ()
    # Mails that may leave on a day (UTC): the warm-up's, or the limit per day where that is lower.
    day_cap: int | None = None
    # Sent on that day, as the database knew when it was read.
    day: date = date.min
    sent: int = 0
    warm_up: WarmUp | None = field(default=None, compare=False)

    @property
    def is_limited(self) -> bool:
        return bool(self.windows) or self.day_cap is not None

    @property
    def sent_today(self) -> int:
        return self.sent if self.day == _today() else 0

    def windows_to(self, provider: str) -> list[Window]:
        """The windows that a mail to this mailbox provider counts in."""
        return [window for window in self.windows if window.provider in ("", provider)]


@dataclass(frozen=True, slots=True)
class Use:
    """A limit, and how far it is used up."""

    limit: str
    # Empty: whichever.
    provider: str
    mails: int
    # In seconds.
    period: int
    used: int = 0
    # Until the oldest mail that it counts is no longer counted.
    frees_in: float = 0.0
    # Counts the day by the calendar (UTC), not the last 24 hours.
    is_day: bool = False

    @property
    def wait(self) -> float:
        """Until there is room again; 0: there is."""
        return max(self.frees_in, LEAST_WAIT) if self.used >= self.mails else 0.0

    @property
    def percent(self) -> int:
        return self.used * 100 // self.mails


def rules(sender_ids: Iterable[int]) -> dict[int, Rules]:
    """The rules of these senders, in three queries; one that is gone is left out."""
    ids = set(sender_ids)
    today = timezone.now().date()
    limits: dict[int, list[SenderLimit]] = {}
    for limit in SenderLimit.objects.filter(sender__in=ids):
        limits.setdefault(limit.sender_id, []).append(limit)
    sent = dict(SenderDay.objects.filter(sender__in=ids, day=today).values_list("sender_id", "sent"))
    senders = Sender.objects.filter(pk__in=ids).select_related("warm_up")
    return {
        sender.pk: _rules(sender, limits.get(sender.pk, []), today, sent.get(sender.pk, 0))
        for sender in senders
    }


def _rules(sender: Sender, limits: list[SenderLimit], today: date, sent: int) -> Rules:
    windows = [
        Window(sender.pk, limit.mails, SECONDS[limit.period], limit.period, limit.mailbox_provider)
        for limit in limits
    ]
    if sender.min_delay:
        windows.append(Window(sender.pk, 1, sender.min_delay, "delay"))
    warm_up: WarmUp | None = getattr(sender, "warm_up", None)
    caps = [window.amount for window in windows if window.seconds == DAY and not window.provider]
    if warm_up is not None:
        caps.append(warm_up.daily_cap)
    shortest_first = tuple(sorted(windows, key=lambda window: window.seconds))
    return Rules(sender.pk, shortest_first, min(caps, default=None), today, sent, warm_up)


class Limiter:
    """Counts mails against rules; one for a process. A sender without limits costs no look at Redis."""

    def __init__(self, storage_url: str, key_prefix: str = KEY_PREFIX) -> None:
        self._storage = _storage(storage_url, key_prefix)
        self._exact = MovingWindowRateLimiter(self._storage)
        self._by_sums = SlidingWindowCounterRateLimiter(self._storage)
        self._lock = threading.Lock()
        self._away_until = float("-inf")

    def room(self, rules: Rules, provider: str) -> int:
        """How many mails to this mailbox provider may leave now; counts nothing.

        Raises LimiterUnavailable.
        """
        if not rules.is_limited:
            return UNLIMITED
        with self._reaching():
            return self._room(rules, provider)

    def take(self, rules: Rules, provider: str, wanted: int) -> int:
        """Count up to `wanted` mails against every limit that applies; return how many may leave.

        Never lets through more than any limit allows, whoever else takes at the same moment: each
        count is one atomic step that refuses what is too much. The shortest window is counted first,
        so that what a later one refuses, because others were faster since the look at the room, is
        missing for as short a time as can be. Raises LimiterUnavailable.
        """
        if not rules.is_limited:
            return wanted
        with self._reaching():
            admitted = self._count_day(rules, min(wanted, self._room(rules, provider)))
            counted = admitted
            for window in rules.windows_to(provider):
                admitted = self._count(window, admitted)
            if rules.day_cap is not None and admitted < counted:
                self._add_to_day(rules, admitted - counted)
            return admitted

    def wait(self, rules: Rules, provider: str) -> float:
        """Seconds until a mail to this mailbox provider may leave; 0: now. Raises LimiterUnavailable."""
        if not rules.is_limited:
            return 0.0
        with self._reaching():
            waits = [self._use(window).wait for window in rules.windows_to(provider)]
            return max([self._day_use(rules).wait, *waits])

    def uses(self, rules: Rules) -> list[Use]:
        """Every limit of the sender, and how far it is used up. Raises LimiterUnavailable."""
        if not rules.is_limited:
            return []
        with self._reaching():
            uses = [self._use(window) for window in rules.windows]
            return [*uses, self._day_use(rules)] if rules.warm_up else uses

    def _use(self, window: Window) -> Use:
        free_at, left = self._strategy(window).get_window_stats(window)
        used = min(window.amount - left, window.amount)
        frees_in = max(free_at - time.time(), 0.0)
        return Use(str(window), window.provider, window.amount, window.seconds, used, frees_in)

    def _room(self, rules: Rules, provider: str) -> int:
        left = [self._left(window) for window in rules.windows_to(provider)]
        if rules.day_cap is not None:
            left.append(rules.day_cap - self._day_sum(rules))
        return max(min(left, default=UNLIMITED), 0)

    def _left(self, window: Window) -> int:
        return self._strategy(window).get_window_stats(window).remaining

    def _count(self, window: Window, wanted: int) -> int:
        """Count as many of the mails as the window admits; it takes all of a portion or nothing."""
        while wanted > 0 and not self._strategy(window).hit(window, cost=wanted):
            wanted = min(wanted - 1, self._left(window))
        return max(wanted, 0)

    def _strategy(self, window: Window) -> RateLimiter:
        return self._exact if window.amount <= EXACT_UP_TO else self._by_sums

    # --- The day's cap -------------------------------------------------------------------------------

    def _day_use(self, rules: Rules) -> Use:
        if rules.day_cap is None:
            return Use("", "", UNLIMITED, DAY, is_day=True)
        used = min(self._day_sum(rules), rules.day_cap)
        limit = f"{rules.day_cap:,} on this day of the warm-up"
        return Use(limit, "", rules.day_cap, DAY, used, DAY - time.time() % DAY, is_day=True)

    def _day_sum(self, rules: Rules) -> int:
        return max(self._storage.get(_day_key(rules)), rules.sent_today)

    def _count_day(self, rules: Rules, wanted: int) -> int:
        """Count as many of the mails as the day still has room for; what is too much is given back."""
        if rules.day_cap is None or not wanted:
            return wanted
        if not self._is_day_restored(rules):
            return 0
        refused = min(max(self._add_to_day(rules, wanted) - rules.day_cap, 0), wanted)
        if refused:
            self._add_to_day(rules, -refused)
        return wanted - refused

    def _is_day_restored(self, rules: Rules) -> bool:
        """Whether the day's sum is no less than the database knows; one worker makes it so after a loss.

        Two that both added what is missing would use up the day.
        """
        missing = rules.sent_today - self._storage.get(_day_key(rules))
        if missing > 0:
            if not self._exact.hit(Window(rules.sender_id, 1, RESTORE_SECONDS, "restored")):
                return False
            self._add_to_day(rules, missing)
        return True

    def _add_to_day(self, rules: Rules, mails: int) -> int:
        return self._storage.incr(_day_key(rules), 2 * DAY, mails)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """One thread at a time, so that a Redis that is away costs a process its patience only once."""
        with self._lock:
            if time.monotonic() < self._away_until:
                raise LimiterUnavailable("Redis did not answer a moment ago.")
            try:
                yield
            except RedisError as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                raise LimiterUnavailable(f"Redis does not answer: {error}") from error


def limiter() -> Limiter:
    """This process's limiter."""
    return limiter_at(settings.RATE_LIMIT_STORAGE)


@functools.cache
def limiter_at(storage_url: str) -> Limiter:
    """The limiter that counts there; the same one each time, since what is in memory is counted in it."""
    return Limiter(storage_url)


def _storage(url: str, key_prefix: str) -> MemoryStorage | RedisStorage:
    if url.startswith("memory:"):
        return MemoryStorage()
    return RedisStorage(
        url, key_prefix=key_prefix, socket_connect_timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS
    )


def _today() -> date:
    return timezone.now().date()


def _day_key(rules: Rules) -> str:
    return f"{rules.sender_id}/day/{_today()}"
