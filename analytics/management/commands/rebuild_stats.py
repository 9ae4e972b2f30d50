"""Count everything anew that the reports show."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from analytics import roll_up, state


class Command(BaseCommand):
    help = "Count everything anew that the reports show, from the ledger and the events."

    def handle(self, *args: Any, **options: Any) -> None:
        roll_up.rebuild()
        counted = state.current()
        self.stdout.write(
            f"rebuild_stats: counted to event {counted.event_id} and ledger row {counted.sendlog_id}"
        )
