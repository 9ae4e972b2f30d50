"""How often one address may do what anybody may do. Counted like the senders' limits, in Redis or here."""

from __future__ import annotations

import functools
import ipaddress
import logging

from django.conf import settings
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis import RedisError

logger = logging.getLogger(__name__)


def may(rate: str, *who: str) -> bool:
    """Count one more, and say whether it is within the rate, such as "5/minute".

    When nobody can count, everybody may: this keeps floods off, and guards no secret.
    """
    try:
        return bool(_limiter(settings.RATE_LIMIT_STORAGE).hit(_rate(rate), *who))
    except (RedisError, OSError) as error:
        logger.warning("nothing is throttled: %s", type(error).__name__)
        return True


def may_here(rate: str, what: str, address: str) -> bool:
    """The same, counted in this process alone, which costs microseconds.

    An inner address is never refused: it is a proxy that says nothing of those who ask through it.
    """
    try:
        is_global = ipaddress.ip_address(address).is_global
    except ValueError:
        return True
    return not is_global or bool(_limiter("memory://").hit(_rate(rate), what, address))


@functools.cache
def _limiter(storage: str) -> FixedWindowRateLimiter:
    if storage.startswith("memory://"):
        return FixedWindowRateLimiter(storage_from_string(storage))
    patience = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
    return FixedWindowRateLimiter(storage_from_string(storage, **patience))


@functools.cache
def _rate(rate: str) -> RateLimitItem:
    return parse(rate)
