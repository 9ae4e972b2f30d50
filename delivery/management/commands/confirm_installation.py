"""Let this database send from this host, after a restore, a move or the addition of a host."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from campaigns.models import Campaign
from delivery import installation


class Command(BaseCommand):
    help = "Confirm that this host may send from this database; without --yes only say what that means."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="somebody has looked: confirm")

    def handle(self, *args: Any, **options: Any) -> None:
        problem = installation.problem()
        if not options["yes"]:
            self.stdout.write(problem or "Nothing to confirm: this host sends from this database.")
            for name in Campaign.objects.filter(status="active").values_list("name", flat=True)[:20]:
                self.stdout.write(f"  goes on then: {name}")
            return
        row = installation.confirm()
        self.stdout.write(f"Confirmed. For a host without a lasting disk: INSTALLATION_ID={row.key}")
