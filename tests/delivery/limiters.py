"""Limiters to try, and rules of senders that nobody else uses."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from delivery.limits import Limiter, Rules, Window

_senders = itertools.count(1)


def new_sender() -> int:
    return next(_senders)


@pytest.fixture
def in_redis(redis_url: str) -> Iterator[Callable[[], Limiter]]:
    """Makes limiters, each as of a worker of its own, that count in one Redis under keys of this test."""
    prefix, made = f"test-{uuid.uuid4().hex}", []

    def make() -> Limiter:
        made.append(Limiter(redis_url, prefix))
        return made[-1]

    yield make
    make()._storage.reset()
    for limiter in made:
        limiter._storage.storage.connection_pool.disconnect()


@pytest.fixture(params=["memory", "redis"])
def limiter(request: pytest.FixtureRequest) -> Limiter:
    """A limiter that counts in memory, and one in Redis."""
    if request.param == "memory":
        return Limiter("memory://")
    made: Limiter = request.getfixturevalue("in_redis")()
    return made


def ruled(*windows: tuple[int, int] | tuple[int, int, str], cap: int | None = None, sent: int = 0) -> Rules:
    """Rules of a sender that nobody else uses: windows as (mails, seconds[, mailbox provider])."""
    sender = new_sender()
    made = [Window(sender, window[0], window[1], str(window[1]), *window[2:]) for window in windows]
    return Rules(sender, tuple(made), cap, timezone.now().date(), sent)
