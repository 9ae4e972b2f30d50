"""Reports: what counting costs, and how long each page takes the server, over a long ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

from tests.bench import people
from tests.bench.lines import Line, line, rounded
from tests.bench.world import World

CUSTOMERS, CAMPAIGNS, MAILS = 1_000_000, 100, 10_000_000
TARGET_MS = 300
# Mails of one statement.
PORTION = 1_000_000
# What came back about a thousand mails: type, verdict, link, how many; three events a mail in all.
EVENTS = (
    ("delivered", "", None, 980),
    ("opened", "apple", None, 500),
    ("opened", "person", None, 400),
    ("opened", "person", None, 250),
    ("opened", "proxy", None, 200),
    ("opened", "", None, 150),
    ("clicked", "scanner", 1, 100),
    ("clicked", "scanner", 2, 100),
    ("clicked", "person", 1, 120),
    ("clicked", "person", 2, 80),
    ("clicked", "person", 3, 60),
    ("bounced", "", None, 40),
    ("unsubscribed", "", None, 15),
    ("complained", "", None, 5),
)
TABLES = {
    "ledger": ["delivery_sendlog"],
    "events": ["delivery_event"],
    "counted": [f"analytics_{name}" for name in ("reaction", "reactionsum", "reactionhour", "ledgersum")],
}


def measure(world: World) -> Iterator[Line]:
    from analytics import roll_up

    mails = world.scaled(MAILS)
    campaigns = max(5, round(CAMPAIGNS * world.share))
    people.customers(max(world.scaled(CUSTOMERS), mails // campaigns))
    ids = _campaigns(world, campaigns)
    _fill(ids, mails)
    sizes = {"mails": mails, "events": _count("delivery_event"), "campaigns": len(ids)}
    seconds = _clocked(roll_up.run) / 1000
    people.run("VACUUM ANALYZE")
    yield line(
        "reports", [sizes["events"] / seconds], "events/s counted",
        **sizes, seconds=round(seconds, 1), mb_per_million_mails=_growth(mails), target=None, passed=None,
    )  # fmt: skip
    rounds = [_round(number, ids) for number in range(world.runs)]
    yield line(
        "reports", rounds, "ms for counting 1,000 new opens", **sizes, target=None, passed=None
    )  # fmt: skip
    client = _client()
    for name, address in _pages(ids):
        _open(client, address)
        begun = time.process_time()
        times = [_clocked(lambda at=address: _open(client, at)) for _ in range(world.runs + 2)]
        python_ms = (time.process_time() - begun) * 1000 / len(times)
        yield line(
            "reports", times, "ms", page=name, **sizes,
            worst=rounded(max(times)), python_ms=rounded(python_ms),
            target=TARGET_MS, passed=max(times) <= TARGET_MS,
        )  # fmt: skip


def _campaigns(world: World, count: int) -> list[int]:
    """Completed campaigns to everybody, of two senders, with the template of 10 KB."""
    from campaigns import lifecycle
    from campaigns.models import Campaign
    from tests.factories import SenderFactory

    senders = [SenderFactory(workspace=world.workspace(), from_email=f"news@{n}.example") for n in "ab"]
    first = world.campaign(*senders)
    lifecycle.activate(first)
    made = [first]
    for number in range(2, count + 1):
        columns = {"name": f"Campaign {number}", "status": "completed", "content": first.content}
        made.append(
            Campaign.objects.create(
                workspace=first.workspace, segment=first.segment, template=first.template, **columns
            )
        )
    Campaign.objects.update(status="completed", activated_at=first.activated_at)
    return [campaign.pk for campaign in made]


def _fill(ids: list[int], mails: int) -> None:
    """The ledger, a campaign every three days, and what came back."""
    each = mails // len(ids)
    for number, pk in enumerate(ids):
        people.run(
            """
            INSERT INTO delivery_sendlog (workspace_id, campaign_id, step, customer_id, sender_id, email,
                mailbox_provider, status, reason, error, attempts, due_at, sent_at, outcome)
            SELECT workspace_id, %(pk)s, 1, id, first + id %% 2, email,
                (ARRAY['google', 'microsoft', 'yahoo', 'other'])[id %% 4 + 1],
                CASE WHEN id %% 50 = 0 THEN 'suppressed' WHEN id %% 73 = 0 THEN 'failed' ELSE 'sent' END,
                CASE WHEN id %% 50 = 0 THEN 'opted_out' WHEN id %% 73 = 0 THEN 'refused' ELSE '' END,
                CASE WHEN id %% 73 = 0 THEN '550 5.1.' || id %% 3 || ' no such user ' || id ELSE '' END,
                1, at, CASE WHEN id %% 50 > 0 AND id %% 73 > 0 THEN at + (id %% 60) * interval '1 minute' END,
                'delivered'
            FROM audience_customer,
                (SELECT now() - %(days)s * interval '1 day' AS at) AS moment,
                (SELECT min(id) AS first FROM campaigns_sender) AS senders
            ORDER BY id OFFSET 0 LIMIT %(each)s""",
            {"pk": pk, "days": 3 * (len(ids) - number), "each": each},
        )
    last = _count("delivery_sendlog")
    for first in range(0, last, PORTION):
        for place, (type_, verdict, link, share) in enumerate(EVENTS):
            people.run(
                """
                INSERT INTO delivery_event (workspace_id, sendlog_id, customer_id, type, source, key, bounce,
                    detail, verdict, link, at, applied_at)
                SELECT workspace_id, id, customer_id, %(type)s, 'simulated', %(place)s || ':' || id,
                    CASE WHEN %(type)s = 'bounced' THEN 'hard' ELSE '' END,
                    CASE WHEN %(type)s = 'bounced' THEN '550 5.1.1 gone' ELSE '' END,
                    %(verdict)s, CAST(%(link)s AS smallint),
                    sent_at + (id * 7919 %% 10007) * (id * 104729 %% 1009) * interval '0.05 second', now()
                FROM delivery_sendlog
                WHERE id > %(first)s AND id <= %(last)s AND status = 'sent'
                  AND id * %(prime)s %% 1000003 %% 1000 < %(share)s""",
                {
                    "type": type_, "place": place, "verdict": verdict, "link": link, "share": share,
                    "first": first, "last": first + PORTION, "prime": 15_485_863 + 2 * place,
                },
            )  # fmt: skip
    people.run("VACUUM ANALYZE")


def _round(number: int, ids: list[int]) -> float:
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


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - a table of ours
        return int(cursor.fetchone()[0])


def _clocked(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000
