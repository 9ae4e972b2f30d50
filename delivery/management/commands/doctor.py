"""Say what is wrong with this installation and how to mend it."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from delivery import doctor


class Command(BaseCommand):
    help = "Say what is wrong with this installation and how to mend it. Ends with 1 when mail or pages fail."
    # Even an installation that Django's checks refuse, or whose database is away, is looked at.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def handle(self, *args: Any, **options: Any) -> None:
        grave = False
        for finding in doctor.findings():
            grave |= finding.grave
            self.stdout.write(f"{'WRONG' if finding.grave else 'note '}  {finding.words}")
            self.stdout.write(f"       {finding.remedy}")
        if not grave:
            self.stdout.write("Nothing is wrong.")
        sys.exit(int(grave))
