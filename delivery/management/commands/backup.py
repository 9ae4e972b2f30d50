"""Write the database and the files of this installation into a directory."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from delivery import backups


class Command(BaseCommand):
    help = "Write the database and the files into a new directory. The keys are not in it: keep them apart."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            backups.back_up(options["directory"])
        except FileExistsError as error:
            raise CommandError(f"{options['directory']} exists already. Name a new directory.") from error
        except backups.ProgramFailed as error:
            raise CommandError(f"{error} No backup was written.") from error
        self.stdout.write(f"Backed up into {options['directory']}.")
