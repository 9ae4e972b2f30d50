"""Stage 6 of the pipeline: what is said about the recipients of ledger rows, read for all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from audience.models import Customer
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
    ids = {row.customer_id for row in rows}
    columns = Customer.objects.filter(pk__in=ids).values_list("pk", "tracked", *CUSTOMER_COLUMNS)
    found = {
        pk: (dict(zip(CUSTOMER_COLUMNS, values, strict=True)), tracked) for pk, tracked, *values in columns
    }
    events = flow_mails.events([row.enrollment_id for row in rows])
    return {
        row.row_id: Recipient(
            row.row_id, row.customer_id, row.email, *found[row.customer_id], events.get(row.enrollment_id)
        )
        for row in rows
        if row.customer_id in found
    }
