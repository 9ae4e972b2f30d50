"""`manage.py import_customers FILE`: customers from a CSV file, with progress and a summary."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from audience import imports, workspaces
from audience.models import CustomerImport


class Command(BaseCommand):
    help = "Import customers from a CSV file: new addresses are created, known ones updated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE")
        parser.add_argument("--workspace", metavar="SLUG", help="Needed when there are several.")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=FIELD",
            help="email, name, external_id, phone, subscribed, sms_subscribed, time_zone, language,"
            " attributes.<name>, or nothing to leave the column out. Other columns go by their name.",
        )
        parser.add_argument(
            "--subscribe",
            action="store_true",
            help="These people agreed to e-mail. Who is suppressed or has unsubscribed stays so.",
        )
        parser.add_argument(
            "--consent-note", default="", metavar="TEXT", help="Where and how they agreed; kept as evidence."
        )
        parser.add_argument("--resume", type=int, metavar="ID", help="Go on with an import that was stopped.")

    def handle(self, *args: Any, **options: Any) -> None:
        customer_import = _stopped(options["resume"]) if options["resume"] else _new(options)
        before = _rows(customer_import)
        started = time.monotonic()
        customer_import = self._run(customer_import)
        seconds = time.monotonic() - started
        if customer_import.status == CustomerImport.Status.FAILED:
            raise CommandError(
                f"Stopped in line {customer_import.line}: {customer_import.error}\n"
                f"When that is mended, go on with --resume {customer_import.pk}."
            )
        self._report(customer_import, _rows(customer_import) - before, seconds)

    def _run(self, customer_import: CustomerImport) -> CustomerImport:
        self.stderr.write(
            f"Import {customer_import.pk} (if stopped, go on with --resume {customer_import.pk})"
        )
        bar = tqdm(
            total=customer_import.size,
            initial=customer_import.position,
            unit="B",
            unit_scale=True,
            disable=not sys.stderr.isatty(),
        )

        def show(now: CustomerImport) -> None:
            bar.update(now.position - bar.n)

        with bar:
            return imports.run(customer_import, show)

    def _report(self, done: CustomerImport, rows: int, seconds: float) -> None:
        speed = rows / max(seconds, 0.001)
        self.stdout.write(
            f"created={done.created} updated={done.updated} rejected={done.rejected}"
            f" kept_out={done.kept_out} seconds={seconds:.1f} rows_per_second={speed:.0f}"
        )
        if done.rejected:
            self.stdout.write(f"Rejected rows: {imports.rejected_path(done)}")


def _rows(customer_import: CustomerImport) -> int:
    return customer_import.created + customer_import.updated + customer_import.rejected


def _stopped(pk: int) -> CustomerImport:
    stopped: CustomerImport | None = CustomerImport.objects.filter(pk=pk).first()
    if stopped is None:
        raise CommandError(f"There is no import {pk}.")
    return stopped


def _new(options: dict[str, Any]) -> CustomerImport:
    file: Path | None = options["file"]
    if file is None:
        raise CommandError("Name a file to import, or go on with one by --resume ID.")
    try:
        return imports.create(
            workspaces.named(options["workspace"]),
            file,
            name=file.name,
            mapping=dict(map(_mapped, options["map"])),
            subscribe=options["subscribe"],
            consent_note=options["consent_note"],
        )
    except (imports.ImportRefused, workspaces.WorkspaceNotNamed) as error:
        raise CommandError(str(error)) from error


def _mapped(argument: str) -> tuple[str, str]:
    column, equals, field = argument.rpartition("=")
    if not equals:
        raise CommandError(f"--map {argument}: write COLUMN=FIELD, such as --map Mail=email.")
    return column, field
