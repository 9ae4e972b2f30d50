"""An index for the consents of an address: a search, an export and an erasure read no others."""

from django.db import migrations, models

from audience.online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audience", "0012_authenticators")]

    operations = [
        AddIndexOnline(
            "consentrecord",
            models.Index(
                fields=["workspace", "email"],
                name="consent_email",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            ),
        )
    ]
