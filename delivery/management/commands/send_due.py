"""Send what is due: one pass for cron, or a worker with --loop."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from delivery import heartbeats
from delivery.forecast import forecast
from delivery.worker import AnotherSender, Worker


class Command(BaseCommand):
    help = "Send what is due: one pass, for cron; --loop for a worker that stays."
    # They import every page, of which a worker has none (decision 11); `manage.py migrate` has made them.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", action="store_true", help="stay and send what becomes due")
        parser.add_argument("--dry-run", action="store_true", help="say what would go out, and send nothing")
        parser.add_argument(
            "--seconds", type=float, default=3600, help="end one pass after so long (default: an hour)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            self._say_what_would_go_out()
            return
        if not settings.ENABLE_EMAIL_SCHEDULER and not options["loop"]:
            self.stdout.write("Sending is switched off (ENABLE_EMAIL_SCHEDULER=false): nothing was sent.")
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if not options["loop"]:
            heartbeats.beat(heartbeats.CRON, heartbeats.Kind.SCHEDULER)
        try:
            with Worker() as worker:
                if options["loop"]:
                    worker.run_forever(stop.wait)
                else:
                    worker.run_until_idle(stop.is_set, seconds=options["seconds"])
        except AnotherSender as error:
            raise CommandError(str(error)) from error
        counts = ", ".join(f"{n} {status}" for status, n in sorted(worker.counts.items()))
        self.stdout.write(f"send_due: {counts or 'nothing was due'}")

    def _say_what_would_go_out(self) -> None:
        lines = forecast()
        for line in lines:
            mails = f"{line.mails} mails would go out now"
            self.stdout.write(f"{line.campaign}: {mails}, {line.refused} people would be refused")
        if not lines:
            self.stdout.write("Nothing is due.")
