"""Fill an empty installation from a backup."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from delivery import backups


class Command(BaseCommand):
    help = "Fill an empty database and DATA_DIR from a backup. Nothing is sent before somebody confirms."
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            backups.restore(options["directory"])
        except (backups.CannotRestore, backups.ProgramFailed) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Restored. Run `manage.py migrate`, then look at the active campaigns, then run")
        self.stdout.write("`manage.py confirm_installation --yes`: nothing is sent before.")
