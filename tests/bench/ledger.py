"""Campaigns that are over, with a ledger of millions and what came back about it, written in SQL."""

from __future__ import annotations

from django.db import connection

from tests.bench import people
from tests.bench.world import World

# Mails of one statement: small, for what comes back about a mail comes in one week, not in fourteen turns.
PORTION = 5_000
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


def campaigns(world: World, count: int) -> list[int]:
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


def fill(ids: list[int], mails: int) -> None:
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
    last = count("delivery_sendlog")
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


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - a table of ours
        return int(cursor.fetchone()[0])
