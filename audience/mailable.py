"""Stage 1 of the pipeline, second half: why a customer may not be mailed, said in one place.

The funnel, the filling and the delivery gate all ask here. The suppression of the address in the
workspace comes first, then the opt-in, then the address itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, QuerySet

from audience.audiences import OPT_INS, Audience
from audience.models import Customer, Suppression, Workspace

OPTED_OUT = "opted_out"
INVALID = "invalid"


def refusal_sql(customer: str, suppression: str) -> str:
    """Say in SQL why a customer may not be mailed, '' when nothing speaks against it.

    The names are aliases of a customer and of the suppression LEFT JOINed to it by workspace and address.
    """
    return (
        f"COALESCE({suppression}.reason, CASE WHEN NOT {customer}.subscribed THEN '{OPTED_OUT}'"
        f" WHEN {customer}.unmailable THEN '{INVALID}' ELSE '' END)"
    )


@dataclass(frozen=True)
class Funnel:
    """From those whom an audience means to those who will be sent a mail."""

    matched: int
    # By reason; a reason that nobody has is not in it.
    refused: dict[str, int]

    @property
    def opted_out(self) -> int:
        return self.refused.get(OPTED_OUT, 0)

    @property
    def invalid(self) -> int:
        return self.refused.get(INVALID, 0)

    @property
    def suppressed(self) -> int:
        return sum(self.refused.values()) - self.opted_out - self.invalid

    @property
    def will_be_sent(self) -> int:
        return self.matched - sum(self.refused.values())


def funnel(customers: QuerySet[Customer]) -> Funnel:
    """Count who of these customers may be mailed, and who may not for which reason. One query."""
    columns = customers.order_by().values("workspace_id", "email", "subscribed", "unmailable")
    sql, params = columns.query.sql_with_params()
    joined = (
        f"LEFT JOIN {Suppression._meta.db_table} s ON s.workspace_id = c.workspace_id AND s.email = c.email"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {refusal_sql('c', 's')}, count(*) FROM ({sql}) c {joined} GROUP BY 1",  # noqa: S608
            params,
        )
        counts: dict[str, int] = dict(cursor.fetchall())
    return Funnel(sum(counts.values()), {reason: number for reason, number in counts.items() if reason})


def audience_counts(workspace: Workspace) -> dict[Audience, int]:
    """Count whom each choice of opt-ins means, mailable or not. One query."""
    counts = {audience.value: Count("pk", filter=opted_in) for audience, opted_in in OPT_INS.items()}
    found = Customer.objects.of(workspace).aggregate(**counts)
    return {audience: found[audience] for audience in OPT_INS}
