"""Count what is new for the reports: for cron, where there is no beat."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from analytics import roll_up, state


class Command(BaseCommand):
    help = "Count what is new for the reports."

    def handle(self, *args: Any, **options: Any) -> None:
        roll_up.run()
        counted = state.current()
        self.stdout.write(f"roll_up: counted to event {counted.event_id} and ledger row {counted.sendlog_id}")
