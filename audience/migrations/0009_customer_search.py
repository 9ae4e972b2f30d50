"""Indexes for the list of customers: by how a name, a last name or a phone number begins."""

from __future__ import annotations

from typing import Any

from django.db import migrations

# Of expressions, with an operator class that serves LIKE 'ada%' in any collation: PostgreSQL's only. A list
# that SQLite is right for is read as a whole in no time.
INDEXES = {
    "customer_name": ("lower(name)", "name <> ''"),
    "customer_last_word": ("lower(split_part(name, ' ', -1))", "name <> ''"),
    "customer_phone": ("translate(phone, ' +-()./', '')", "phone <> ''"),
}


def make(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name, (expression, condition) in INDEXES.items():
            # One that is not valid, left behind by an attempt that was interrupted, would stand in the way.
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            schema_editor.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON audience_customer"
                f" (workspace_id, ({expression}) text_pattern_ops) WHERE {condition}"
            )


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name in INDEXES:
            schema_editor.execute(f"DROP INDEX CONCURRENTLY {name}")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audience", "0008_api_keys")]

    operations = [migrations.RunPython(make, drop, atomic=False)]
