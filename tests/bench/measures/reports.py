"""Reports: what counting costs, and how long each page takes the server, over a brand's long ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

from tests.bench import ledger, people
from tests.bench.brand import found
from tests.bench.lines import Line, line, rounded
from tests.bench.world import World

TARGET_MS = 300
TABLES = {
    "ledger": ["delivery_sendlog"],
    "events": ["delivery_event"],
    "counted": [f"analytics_{name}" for name in ("reaction", "reactionsum", "reactionhour", "ledgersum")],
}


def measure(world: World) -> Iterator[Line]:
    brand = found(world)
    tables = {"mails": "delivery_sendlog", "events": "delivery_event", "campaigns": "campaigns_campaign"}
    sizes = {what: ledger.count(table) for what, table in tables.items()}
    seconds = brand.counting_seconds
    yield line(
        "reports", [sizes["events"] / seconds], "events/s counted",
        **sizes, seconds=round(seconds, 1), mb_per_million_mails=_growth(sizes["mails"]),
        target=None, passed=None,
    )  # fmt: skip
    rounds = [_round(number) for number in range(world.runs)]
    yield line(
        "reports", rounds, "ms for counting 1,000 new opens", **sizes, target=None, passed=None
    )  # fmt: skip
    client = _client()
    for name, address in _pages(brand.ended):
        _open(client, address)
        begun = time.process_time()
        times = [_clocked(lambda at=address: _open(client, at)) for _ in range(world.runs + 2)]
        python_ms = (time.process_time() - begun) * 1000 / len(times)
        yield line(
            "reports", times, "ms", page=name, **sizes,
            worst=rounded(max(times)), python_ms=rounded(python_ms),
            target=TARGET_MS, passed=max(times) <= TARGET_MS,
        )  # fmt: skip


def _round(number: int) -> float:
    """A minute's work: so many new opens of mails of an old campaign."""
    from analytics import roll_up

    people.run(
        "INSERT INTO delivery_event (workspace_id, sendlog_id, customer_id, type, source, key, detail,"
        " verdict, at, applied_at)"
        " SELECT workspace_id, id, customer_id, 'opened', 'simulated', %s || ':new:' || id, '', 'person',"
        " now(), now() FROM delivery_sendlog WHERE id %% 97 = %s ORDER BY id DESC LIMIT 1000",
        [number, number],
    )
    return _clocked(roll_up.run)


def _pages(ids: list[int]) -> Iterator[tuple[str, str]]:
    """Every report, of a campaign in the middle, and lists that begin far inside."""
    one = f"/reports/campaigns/{ids[len(ids) // 2]}"
    chosen = "&".join(f"campaign={pk}" for pk in ids[-5:])
    yield from {
        "overview": "/reports/",
        "summary": f"{one}/",
        "summary, machines included": f"{one}/?who=all",
        "delivery": f"{one}/delivery/",
        "links": f"{one}/links/",
        "mail": f"{one}/mail/",
        "panel": f"{one}/panel/",
        "compare": f"/reports/compare/?{chosen}",
        "audience": "/reports/audience/?days=365",
        "complaints": "/reports/complaints/?days=365",
        "people: sent": f"{one}/people/?number=sent",
        "people: delivered to Yahoo": f"{one}/people/?number=delivered&mailbox_provider=yahoo",
        "people: failed": f"{one}/people/?number=failed",
        "people: opened": f"{one}/people/?number=opened",
        "people: clicked a link": f"{one}/people/?number=clicked&link=3",
        "people: bounced": f"{one}/people/?number=bounced",
    }.items()


def _client() -> Any:
    from django.test import Client

    from tests.factories import UserFactory

    client = Client(SERVER_NAME="localhost")
    client.force_login(UserFactory(is_superuser=True))
    return client


def _open(client: Any, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 200, (address, response.status_code)


def _growth(mails: int) -> dict[str, int]:
    """Megabytes per million mails, indexes included."""
    with connection.cursor() as cursor:
        found = {}
        for name, tables in TABLES.items():
            cursor.execute(
                "SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(%s::text[]) AS t", [tables]
            )
            found[name] = round(int(cursor.fetchone()[0]) / mails)
    return found


def _clocked(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000
