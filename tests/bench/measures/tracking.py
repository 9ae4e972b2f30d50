"""Tracking: clicks through gunicorn on two cores, beside a view that only redirects, in turns."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.verify import Wrong
from tests.bench.world import World
from tests.chaos.processes import wait_for
from tests.chaos.servers import quiet_port

CLICKS = 20_000
LINKS = 8
PROCESSES = 2
# Visitors at once.
VISITORS = 8
# Of the rate of a view that only redirects.
SHARE_OF_BARE = 0.6
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def measure(world: World) -> Iterator[Line]:
    clicks = world.scaled(CLICKS)
    port = serve(world)
    paths = list(links(world, clicks))
    visit(port, ["/bare"] * VISITORS * 20)
    ours, theirs, behind = [], [], []
    for run in range(1, world.runs + 1):
        theirs.append(clicks / visit(port, ["/bare"] * clicks))
        ours.append(clicks / visit(port, paths))
        behind.append(taken_in(clicks * run))
    ratio = median(ours) / median(theirs)
    yield line(
        "tracking",
        ours,
        "clicks/s",
        against="a view that only redirects",
        against_runs=[round(rate) for rate in theirs],
        ratio=round(ratio, 3),
        clicks=clicks,
        processes=PROCESSES,
        # From the last click until all of them were judged and in the database.
        behind_s=[round(seconds, 2) for seconds in behind],
        target=SHARE_OF_BARE,
        passed=ratio >= SHARE_OF_BARE,
    )


def serve(world: World) -> int:
    """The site behind gunicorn; its port, once it answers."""
    port = quiet_port()
    gunicorn = ["-m", "gunicorn", "config.wsgi", "--workers", str(PROCESSES), "--bind", f"127.0.0.1:{port}"]
    world.start(*gunicorn, DJANGO_SETTINGS_MODULE="tests.bench.control.settings")
    if not wait_for(lambda: answers(port), 60, every=0.5):
        raise TimeoutError(f"The site does not answer.\n{world.logs()}")
    return port


def answers(port: int) -> bool:
    try:
        follow(port, ["/bare"])
    except OSError:
        return False
    return True


def links(world: World, clicks: int) -> Iterator[str]:
    """A link each out of so many mails of a campaign that was sent: one of the eight, in turn."""
    from campaigns import lifecycle
    from delivery.fill import fill_page
    from delivery.models import SendLog
    from delivery.tokens import Reference, make

    people.customers(clicks)
    campaign = world.campaign(world.sender(1))
    lifecycle.activate(campaign)
    while fill_page(campaign):
        pass
    SendLog.objects.filter(campaign=campaign).update(status=SendLog.Status.SENT)
    rows = SendLog.objects.filter(campaign=campaign).values_list("workspace_id", "customer_id", "id")
    for number, row in enumerate(rows.iterator()):
        yield f"/c/{make(Reference(*row, campaign.content_id))}/{number % LINKS + 1}"


def visit(port: int, paths: Sequence[str]) -> float:
    """Follow links, some at once; how many seconds it took. Raises Wrong for any other answer."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(VISITORS) as visitors:
        list(visitors.map(follow, [port] * VISITORS, [paths[n::VISITORS] for n in range(VISITORS)]))
    return time.perf_counter() - begun


def follow(port: int, paths: Sequence[str]) -> None:
    for path in paths:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {AGENT}\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request.encode())
            answer = connection.makefile("rb").read()
        if b" 302 " not in answer[:20] or b"Location: https://shop.example/" not in answer:
            raise Wrong(f"{path} was answered with {answer[:200]!r}")


def taken_in(clicks: int) -> float:
    """Wait until so many clicks are in the database, each a person's; how many seconds that took."""
    from delivery.models import Event

    begun = time.perf_counter()
    people = Event.objects.filter(type=Event.Type.CLICKED, verdict=Event.Verdict.PERSON)
    if not wait_for(lambda: people.count() >= clicks, 120) or Event.objects.count() != clicks:
        raise Wrong(f"{clicks} clicks became {people.count()} of people and others")
    return time.perf_counter() - begun
