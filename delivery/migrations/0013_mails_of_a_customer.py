"""One index for a customer's mails, also for those of the last days alone, in the place of another."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

INDEX = models.Index(fields=["customer", "sent_at"], name="sendlog_customer")


def make(apps: Any, schema_editor: Any) -> None:
    concurrently = "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
    # One that is not valid, left behind by an attempt that was interrupted, would stand in the way.
    schema_editor.execute(f"DROP INDEX {concurrently} IF EXISTS {INDEX.name}")
    schema_editor.execute(
        f"CREATE INDEX {concurrently} {INDEX.name} ON delivery_sendlog (customer_id, sent_at)"
    )


def drop(apps: Any, schema_editor: Any) -> None:
    concurrently = "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
    schema_editor.execute(f"DROP INDEX {concurrently} IF EXISTS {INDEX.name}")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("delivery", "0012_sign_up")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(make, drop, atomic=False)],
            state_operations=[migrations.AddIndex("sendlog", INDEX)],
        ),
        migrations.AlterField(
            "sendlog",
            "customer",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="audience.customer",
            ),
        ),
    ]
