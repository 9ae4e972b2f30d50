"""Take a mail that came back, from standard input, as a mail server pipes it."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error

from delivery.inbound import inbox

MAX_BYTES = 4 * 1024 * 1024


class Command(BaseCommand):
    help = (
        "Read one mail from standard input and keep it if it is a bounce or a complaint about a mail of "
        "ours. For Postfix's or Exim's pipe."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        raw = sys.stdin.buffer.read(MAX_BYTES)
        try:
            is_ours = inbox.take_mail(raw)
        except Error as error:
            self.stderr.write(f"The database cannot be reached: {error}")
            # Keep the mail and try again: any other error would send it back to its sender.
            sys.exit(os.EX_TEMPFAIL)
        self.stdout.write("taken" if is_ours else "no report about a mail of ours: passed over")
