"""Asking a server whether it answers, without waiting for it longer than a page may take.

In a thread, since neither a look-up of a name nor a query to a frozen database can be interrupted.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import Generic, TypeVar

import redis
from django.db import connections
from redis.backoff import NoBackoff
from redis.retry import Retry

T = TypeVar("T")


class NoAnswer(Exception):
    """The server refused, failed, or did not answer in time."""


class Question(Generic[T]):
    """A question to a server, asked once at a time: who asks meanwhile waits for the same answer.

    So a server that hangs costs one thread and one connection, however often its health is asked for.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asked: Future[T] | None = None

    def answer(self, seconds: float) -> T:
        """The server's answer; raises NoAnswer when there is none in time."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                threading.Thread(target=self._run, args=[self._asked], daemon=True).start()
            asked = self._asked
        try:
            return asked.result(seconds)
        except TooLate as error:
            raise NoAnswer(f"no answer within {seconds:g} seconds") from error
        except Exception as error:
            raise NoAnswer(type(error).__name__) from error

    def _run(self, asked: Future[T]) -> None:
        try:
            answer = self._ask()
        except Exception as error:
            connections.close_all()
            asked.set_exception(error)
        else:
            connections.close_all()
            asked.set_result(answer)


def redis_answers(url: str, seconds: float) -> bool:
    """Whether the Redis at this address answers in time."""
    try:
        _ping(url).answer(seconds)
    except NoAnswer:
        return False
    return True


@functools.cache
def _ping(url: str) -> Question[None]:
    def ping() -> None:
        retry = Retry(NoBackoff(), 0)
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1, retry=retry) as client:
            client.ping()

    return Question(ping)
