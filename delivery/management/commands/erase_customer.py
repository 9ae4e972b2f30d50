"""Forget a person in every table; what must stay is a hash that says not to mail them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audience.addresses import InvalidAddress
from audience.workspaces import WorkspaceNotNamed, named
from delivery import erasure


class Command(BaseCommand):
    help = "Forget a person in every table. It cannot be undone; without --yes it only says what there is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--workspace", help="short name; may be left out where there is one only")
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            workspace = named(options["workspace"])
            if not options["yes"]:
                known = erasure.export(workspace, options["email"])
                counts = {name: len(rows) for name, rows in known.items() if isinstance(rows, list)}
                self.stdout.write(f"{_words(counts)}. Add --yes to forget them; it cannot be undone.")
                return
            gone = erasure.erase(workspace, options["email"])
        except (WorkspaceNotNamed, InvalidAddress, erasure.InHand) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Forgotten: {_words(gone)}.")


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
