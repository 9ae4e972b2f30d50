"""The keys of second factors, which stood in clear in django-otp's table, are kept encrypted from here on."""

import django.db.models.deletion
from django.db import migrations, models
from django_otp.util import random_hex

import audience.models.authenticator
from audience.credentials import decrypt, encrypt


def encrypt_keys(apps, schema_editor):
    Authenticator = apps.get_model("audience", "Authenticator")
    for device in apps.get_model("otp_totp", "TOTPDevice").objects.all():
        own = Authenticator(totpdevice_ptr_id=device.pk, sealed_key=encrypt(device.key))
        own.save_base(raw=True, force_insert=True)
        device.key = random_hex(20)
        device.save(update_fields=["key"])


def decrypt_keys(apps, schema_editor):
    devices = apps.get_model("otp_totp", "TOTPDevice").objects
    for own in apps.get_model("audience", "Authenticator").objects.all():
        devices.filter(pk=own.totpdevice_ptr_id).update(key=decrypt(own.sealed_key))


class Migration(migrations.Migration):
    dependencies = [("audience", "0011_sign_up"), ("otp_totp", "0003_add_timestamps")]

    operations = [
        migrations.CreateModel(
            name="Authenticator",
            fields=[
                (
                    "totpdevice_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="otp_totp.totpdevice",
                    ),
                ),
                ("sealed_key", models.TextField(default=audience.models.authenticator.new_key)),
            ],
            options={"verbose_name": "authenticator app"},
            bases=("otp_totp.totpdevice",),
        ),
        migrations.RunPython(encrypt_keys, decrypt_keys),
    ]
