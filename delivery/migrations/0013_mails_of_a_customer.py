"""One index for a customer's mails, also for those of the last days alone, in the place of another."""

import django.db.models.deletion
from django.db import migrations, models

from audience.online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("delivery", "0012_sign_up")]

    operations = [
        AddIndexOnline("sendlog", models.Index(fields=["customer", "sent_at"], name="sendlog_customer")),
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
