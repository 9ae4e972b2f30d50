"""How many requests a key may make: counted across all processes, where the senders' limits are."""

from __future__ import annotations

import functools
import logging
import math
import time

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import RedisError

from audience.api.problems import Problem

logger = logging.getLogger(__name__)

KEY_PREFIX = "drumbeat:api"
ANSWER_SECONDS = 0.5
# A Redis that does not answer is not asked again for so long; meanwhile nobody is refused.
AWAY_SECONDS = 5.0


class Limiter:
    """Counts requests; one that cannot count lets everybody pass, since limits are there for fairness."""

    def __init__(self, storage_url: str) -> None:
        self._counter = SlidingWindowCounterRateLimiter(_storage(storage_url))
        self._away_until = 0.0

    def wait(self, who: str, per_minute: int) -> int:
        """Count a request; seconds until the next is let through, 0 when this one is."""
        if time.monotonic() < self._away_until:
            return 0
        limit = RateLimitItemPerMinute(per_minute)
        try:
            if self._counter.hit(limit, who):
                return 0
            return max(1, math.ceil(self._counter.get_window_stats(limit, who).reset_time - time.time()))
        except RedisError as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning("requests are not limited: Redis does not answer (%s)", type(error).__name__)
            return 0


def check(key_id: int) -> None:
    """Refuse the request if the key has made too many within a minute."""
    per_minute = settings.API_REQUESTS_PER_MINUTE
    wait = limiter_at(settings.RATE_LIMIT_STORAGE).wait(str(key_id), per_minute)
    if wait:
        raise Problem(
            429,
            "too-many-requests",
            f"Your key may make {per_minute:,} requests a minute. Wait {wait} seconds, as Retry-After says.",
            headers={"Retry-After": str(wait)},
        )


@functools.cache
def limiter_at(storage_url: str) -> Limiter:
    """The limiter that counts there; the same one each time, since what is in memory is counted in it."""
    return Limiter(storage_url)


def _storage(url: str) -> MemoryStorage | RedisStorage:
    if url.startswith("memory:"):
        return MemoryStorage()
    return RedisStorage(
        url, key_prefix=KEY_PREFIX, socket_connect_timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS
    )
