"""Stage 6 of the pipeline: what is said about the recipients of ledger rows, read for all of them at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Protocol

from django.db import connection

from audience import sql
from campaigns.content import CUSTOMER_COLUMNS
from delivery import flow_mails
from delivery.message import Recipient


class Reached(Protocol):
    """A ledger row whose mail is to be built."""

    @property
    def row_id(self) -> int: ...
    @property
    def customer_id(self) -> int: ...
    @property
    def email(self) -> str: ...
    @property
    def enrollment_id(self) -> int: ...


def read(rows: Iterable[Reached]) -> dict[int, Recipient]:
    """The recipients of these rows, by row; one whose customer was deleted is left out. Two queries."""
    rows = list(rows)
    found = _customers({row.customer_id for row in rows})
    events = flow_mails.events([row.enrollment_id for row in rows])
    return {
        row.row_id: Recipient(
            row.row_id, row.customer_id, row.email, *found[row.customer_id], events.get(row.enrollment_id)
        )
        for row in rows
        if row.customer_id in found
    }


def _customers(ids: Iterable[int]) -> dict[int, tuple[dict[str, Any], bool]]:
    """The columns that mails show, and whether the customer may be tracked. In plain SQL: it costs less."""
    columns = ", ".join(f"p.{name}" for name in CUSTOMER_COLUMNS)
    statement = f"""
        SELECT p.id, p.tracked, {columns}
        FROM {sql.table({"id": "bigint"})} mine JOIN audience_customer p ON p.id = mine.id"""  # noqa: S608 - constants of ours
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [sql.rows({"id": pk} for pk in ids)])
        for pk, tracked, *values in cursor.fetchall():
            said = dict(zip(CUSTOMER_COLUMNS, values, strict=True))
            said["attributes"] = json.loads(said["attributes"])
            found[pk] = said, bool(tracked)
    return found
