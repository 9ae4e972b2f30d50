"""Encrypt what is stored of passwords, tokens and keys with the newest of CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns import key_rotation


class Command(BaseCommand):
    help = (
        "Encrypt stored passwords and keys anew with the first of CREDENTIAL_KEYS. Put the new key in front, "
        "restart every process, run this, then take the old key out. Running it again changes nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        lost = []
        for model, column in key_rotation.sealed_columns():
            moved, unreadable = key_rotation.rotate(model, column)
            name = f"{model._meta.verbose_name_plural}: {column.removeprefix(key_rotation.PREFIX)}"
            self.stdout.write(f"{name}: {moved:,} encrypted with the new key.")
            lost += [f"{model._meta.verbose_name} {pk}" for pk in unreadable]
        if lost:
            raise CommandError(
                f"None of CREDENTIAL_KEYS can read what is stored for {', '.join(lost)}. Put the key it was "
                "written with back into the setting and run this again, or enter it anew on the page."
            )
