"""Limits across threads, processes and a Redis that dies: counted together, and never too much."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from delivery import limits
from delivery.limits import UNLIMITED, Limiter, LimiterUnavailable, Rules
from tests.delivery.limiters import in_redis, limiter, ruled
from tests.servers import answers, find_redis, free_port

__all__ = ["in_redis", "limiter"]

ROOT = Path(__file__).parents[2]

# --- Many at once --------------------------------------------------------------------------------


TAKER = """
import sys, time, django
django.setup()
from delivery.limits import Limiter, Rules, Window
rules = Rules(1, (Window(1, 10, 1, "second"), Window(1, 25, 3600, "hour", "google")), 70)
limiter = Limiter(*sys.argv[1:])
print("ready", flush=True)
input()
begin, google, yahoo = time.time(), 0, 0
while time.time() < begin + 3:
    google += limiter.take(rules, "google", 7)
    yahoo += limiter.take(rules, "yahoo", 7)
print(begin, time.time(), google, yahoo, flush=True)
"""


def test_processes_that_take_at_once_never_get_more_than_the_limit(
    redis_url: str, in_redis: Callable[[], Limiter]
) -> None:
    """Ten a second, seventy a day, twenty-five an hour to Gmail."""
    command = [sys.executable, "-c", TAKER, redis_url, in_redis()._storage.key_prefix]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    takers = [subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) for _ in range(3)]
    for taker in takers:
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        taker.stdin.write("\n")
        taker.stdin.flush()
    answers = [map(float, taker.communicate()[0].split()) for taker in takers]
    begin, end, google, yahoo = zip(*answers, strict=True)
    total = sum(google) + sum(yahoo)
    assert sum(google) <= 25
    assert total <= min(10 * (int(max(end) - min(begin)) + 1), 70)
    # All three seconds were used, not the first alone.
    assert total >= 20


@pytest.mark.parametrize("cap", [None, 333])
def test_threads_that_take_at_once_get_exactly_the_limit(limiter: Limiter, cap: int | None) -> None:
    rules = ruled((400, 3600), cap=cap)
    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda _: limiter.take(rules, "google", 7), range(100)))
    assert taken == (cap or 400)


@pytest.mark.parametrize(
    ("windows", "cap"), [([(60, 3600)], None), ([], 60), ([(200, 3600), (60, 3600, "google")], 150)]
)
def test_workers_that_count_in_one_redis_never_get_more_than_the_limit(
    in_redis: Callable[[], Limiter], windows: list[tuple[int, int]], cap: int | None
) -> None:
    workers = [in_redis() for _ in range(8)]
    for rules in [ruled(*windows, cap=cap) for _ in range(8)]:
        gate = threading.Barrier(len(workers))
        with ThreadPoolExecutor(len(workers)) as pool:
            taken = sum(pool.map(partial(take_all, rules=rules, gate=gate), workers))
        # Little is lost to those who came second.
        assert 45 <= taken <= 60


def test_a_lost_days_sum_is_restored_once_by_many_at_once(in_redis: Callable[[], Limiter]) -> None:
    workers = [in_redis() for _ in range(8)]
    for rules in [ruled(cap=1000, sent=600) for _ in range(12)]:
        gate = threading.Barrier(len(workers))
        with ThreadPoolExecutor(len(workers)) as pool:
            taken = sum(pool.map(partial(take_all, rules=rules, gate=gate), workers))
        assert taken == 400
        assert workers[0]._day_sum(rules) == 1000


def take_all(limiter: Limiter, *, rules: Rules, gate: threading.Barrier) -> int:
    """Ask again and again until there is nothing left."""
    gate.wait()
    return sum(limiter.take(rules, "google", 5) for _ in range(20))


# --- Redis away -----------------------------------------------------------------------------------


@pytest.fixture
def silent_server() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that takes connections and never answers, like a Redis that has frozen."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connections.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0", connections
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in connections:
        connection.close()


def test_a_sender_without_limits_never_touches_redis(
    silent_server: tuple[str, list[socket.socket]],
) -> None:
    url, connections = silent_server
    limiter, rules = Limiter(url), ruled()
    assert limiter.room(rules, "google") == UNLIMITED
    assert limiter.take(rules, "google", 200) == 200
    assert limiter.wait(rules, "google") == 0
    assert limiter.uses(rules) == []
    assert connections == []


def test_a_frozen_redis_is_waited_for_once_and_then_left_alone(
    silent_server: tuple[str, list[socket.socket]],
) -> None:
    url, connections = silent_server
    limiter, rules = Limiter(url), ruled((5, 60))
    with pytest.raises(LimiterUnavailable):
        limiter.room(rules, "google")
    assert len(connections) == 1
    assert limiter.take(ruled(), "google", 7) == limiter.take(ruled(), "google", 7) == 7
    calls: list[Callable[[], object]] = [
        lambda: limiter.take(rules, "google", 1),
        lambda: limiter.wait(rules, "google"),
        lambda: limiter.uses(rules),
    ]
    for call in calls:
        with pytest.raises(LimiterUnavailable):
            call()
    assert len(connections) == 1


def test_a_redis_that_was_killed_and_came_back_empty_is_asked_again_and_knows_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AWAY_SECONDS", 0)
    port = free_port()
    limiter, rules = Limiter(f"redis://127.0.0.1:{port}/0"), ruled((20, 3600), cap=30)
    with own_redis(port, tmp_path):
        assert limiter.take(rules, "google", 20) == 20
    with pytest.raises(LimiterUnavailable):
        limiter.take(rules, "google", 1)
    with own_redis(port, tmp_path):
        assert limiter.take(replace(rules, sent=20), "google", 20) == 10
    limiter._storage.storage.connection_pool.disconnect()


@contextmanager
def own_redis(port: int, directory: Path) -> Iterator[None]:
    """A Redis that this test may kill."""
    program = find_redis()
    if program is None:
        pytest.skip("No Redis on this machine: `make test` installs it.")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:
        try:
            assert answers(server, port)
            yield
        finally:
            server.kill()


def test_a_connection_that_redis_has_closed_is_made_anew(
    redis_url: str, in_redis: Callable[[], Limiter]
) -> None:
    limiter, rules = in_redis(), ruled((5, 60))
    assert limiter.take(rules, "google", 2) == 2
    name = f"limits-{uuid.uuid4().hex}"
    limiter._storage.storage.client_setname(name)
    with Redis.from_url(redis_url) as other:
        mine = [client["id"] for client in other.client_list() if client["name"] == name]
        other.client_kill_filter(_id=mine[0])
    assert limiter.take(rules, "google", 2) == 2


def test_keys_say_whose_limit_it_is_and_hold_no_address(in_redis: Callable[[], Limiter]) -> None:
    limiter, rules = in_redis(), ruled((5, 60, "google"), (7, 3600), cap=9)
    limiter.take(rules, "google", 1)
    prefix = limiter._storage.key_prefix
    keys = limiter._storage.storage.keys(f"{prefix}:*")
    assert len(keys) == 3
    assert all(re.fullmatch(rf"{prefix}:{rules.sender_id}/[\w/-]+", key.decode()) for key in keys)
