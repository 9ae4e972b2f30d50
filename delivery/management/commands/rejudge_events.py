"""Judge opens and clicks anew, such as after an upgrade that knows more machines."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from delivery import verdicts


class Command(BaseCommand):
    help = "Judge all opens and clicks anew: by a person or a machine. It may be stopped and repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=moment, help="only mails opened or clicked since, such as 2026-05-01"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        changed = sum(verdicts.rejudge(options["since"]))
        self.stdout.write(f"rejudge_events: {changed} verdicts changed")


def moment(text: str) -> datetime:
    """A day, or a moment, in UTC unless it says otherwise."""
    try:
        day = parse_date(text)
        found = datetime.combine(day, datetime.min.time()) if day else parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no moment. Write it as 2026-05-01 or 2026-05-01T09:30.")
    return found if found.tzinfo else timezone.make_aware(found)
