"""Delete old deliveries, opens and clicks, and keep what they amount to."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from analytics import retention, roll_up


class Command(BaseCommand):
    help = "Delete deliveries, opens and clicks older than so many days. Reports keep their numbers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=settings.EVENT_RETENTION_DAYS)

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["days"]
        if not days:
            self.stdout.write("prune_events: all events are kept (EVENT_RETENTION_DAYS is 0)")
            return
        if days < 0:
            raise CommandError("--days must be 1 or more.")
        roll_up.run()
        deleted = retention.prune(timezone.now() - timedelta(days=days))
        self.stdout.write(f"prune_events: {deleted} events older than {days} days deleted")
