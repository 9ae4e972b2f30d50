"""The day's sums of each sender, moved with the ledger rows that they count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

from delivery import sql

# What is counted; each has a column of the same name. Any other status or outcome is passed over.
COUNTED = ("sent", "bounced", "complained")


def count(moved: Iterable[tuple[int, str]]) -> None:
    """Count rows, as (sender id, what became of them), into their senders' sums of today (UTC).

    Call it inside the transaction that moves the rows, after progress.count: all who count take the
    rows in the same order, sums of campaigns first and senders by id, and so never wait for each
    other in a circle. A sender that is gone is passed over: its mails are settled all the same.
    """
    sums: dict[int, Counter[str]] = {}
    for (sender_id, what), rows in Counter(moved).items():
        if what in COUNTED:
            sums.setdefault(sender_id, Counter())[what] = rows
    if not sums:
        return
    columns = {"sender_id": "bigint"} | dict.fromkeys(COUNTED, "integer")
    added = ", ".join(f"{what} = delivery_senderday.{what} + excluded.{what}" for what in COUNTED)
    statement = f"""
        INSERT INTO delivery_senderday (sender_id, day, {", ".join(COUNTED)})
        SELECT s.id, %s, {", ".join(f"mine.{what}" for what in COUNTED)}
        FROM {sql.table(columns)} AS mine JOIN campaigns_sender s ON s.id = mine.sender_id
        WHERE true ORDER BY s.id
        ON CONFLICT (sender_id, day) DO UPDATE SET {added}"""  # noqa: S608 - constants of ours
    mine = [{"sender_id": pk, **{what: counts[what] for what in COUNTED}} for pk, counts in sums.items()]
    with connection.cursor() as cursor:
        cursor.execute(statement, [timezone.now().date(), sql.rows(mine)])
