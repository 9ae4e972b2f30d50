"""Flows: attributes of customers that a step sets."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.db import connection

from audience import sql
from campaigns.flows.steps import Update


def apply(update: Update, customer_ids: Sequence[int]) -> None:
    """Set an attribute of these customers, or take it away, in one statement of the caller's transaction.

    In the order of their ids, so that it waits for an import and never in a circle with another.
    """
    statement, value = _SET if update.value is not None else _UNSET, json.dumps(update.value)
    params = [update.attribute] if update.value is None else [update.attribute, value]
    if not sql.is_postgresql():
        params[0] = f"$.{json.dumps(update.attribute)}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE audience_customer SET updated_at = {sql.now()},
                attributes = {statement[sql.is_postgresql()]}
            WHERE id IN (SELECT id FROM audience_customer WHERE id IN ({sql.ids()})
                         ORDER BY id {"FOR UPDATE" if sql.is_postgresql() else ""})""",  # noqa: S608
            [*params, json.dumps(sorted(set(customer_ids)))],
        )


# SQLite's, then PostgreSQL's.
_SET = ("json_set(attributes, %s, json(%s))", "attributes || jsonb_build_object(%s::text, %s::jsonb)")
_UNSET = ("json_remove(attributes, %s)", "attributes - %s::text")
