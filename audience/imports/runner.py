"""Runs imports: reads a chunk, writes it, moves the import on, all in one transaction per chunk.

A process that is killed loses at most the chunk in hand, and whoever runs the import next begins
with that chunk. Two runners of one import are harmless: the second finds it moved on, and stops.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audience import refusals
from audience.imports.mapping import Row, RowParser, attribute_columns, merge
from audience.imports.reader import Header, ImportRefused, Reader, Unreadable, read_header
from audience.imports.rejects import Reject, append, rejected_path
from audience.imports.write import Batch, Origin, write_rows
from audience.models import Attribute, ConsentRecord, CustomerImport

# A chunk ends at so many rows or bytes, whichever comes first.
CHUNK_ROWS = 10_000
CHUNK_BYTES = 4 << 20
# Between two threads of Python, of which one parses and one asks the database.
TURN_SECONDS = 0.0001
# A running import that has not moved for so long was killed.
SILENCE = timedelta(minutes=5)

Status = CustomerImport.Status
OnProgress = Callable[[CustomerImport], None]
PROGRESS = [
    "position", "line", "created", "updated", "rejected", "kept_out", "rejected_size", "progressed_at",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chunk:
    """A batch of rows, rejected rows, and where the next chunk begins."""

    batch: Batch
    rejects: list[Reject]
    position: int
    line: int


def run(
    customer_import: CustomerImport,
    on_progress: OnProgress | None = None,
    *,
    seconds: float | None = None,
) -> CustomerImport:
    """Take the file in from where it stands, to its end or for so many seconds; returns the import.

    Commits every chunk together with the import's position, and then calls `on_progress`. May be
    repeated, also while another process runs the same import. What cannot go on becomes `failed` with
    its reason, and may be run again once that is mended.
    """
    rows = CustomerImport.objects.filter(pk=customer_import.pk)
    started = {"status": Status.RUNNING, "error": "", "progressed_at": timezone.now()}
    rows.exclude(status=Status.COMPLETED).update(**started)
    customer_import.refresh_from_db()
    deadline = time.monotonic() + seconds if seconds is not None else None
    try:
        if customer_import.status == Status.RUNNING:
            _take_in(customer_import, on_progress, deadline)
    except (ValueError, OSError, DataError, IntegrityError) as error:
        rows.filter(status=Status.RUNNING).update(status=Status.FAILED, error=str(error))
    customer_import.refresh_from_db()
    return customer_import


def pending() -> QuerySet[CustomerImport]:
    """Return the imports that wait for a runner, those whose runner was killed included."""
    silent = Q(status=Status.RUNNING, progressed_at__lt=timezone.now() - SILENCE)
    waiting: QuerySet[CustomerImport] = CustomerImport.objects.filter(Q(status=Status.PENDING) | silent)
    return waiting.order_by("id")


def claim_and_run_next(seconds: float, on_progress: OnProgress | None = None) -> CustomerImport | None:
    """Run the import that has waited longest, for so many seconds at most; None when none waits.

    Made for a worker's loop: what is not done then waits again, for this worker or another.
    """
    first = pending().first()
    if first is None:
        return None
    unmoved = pending().filter(pk=first.pk, status=first.status, progressed_at=first.progressed_at)
    if not unmoved.update(status=Status.RUNNING, progressed_at=timezone.now()):
        return None
    return run(first, on_progress, seconds=seconds)


def _take_in(customer_import: CustomerImport, on_progress: OnProgress | None, deadline: float | None) -> None:
    with Path(customer_import.file).open("rb") as file:
        header = read_header(file)
        parser = _parser(customer_import, header)
        reader = Reader(file, header.delimiter, position=customer_import.position, line=customer_import.line)
        with closing(_read_ahead(reader, parser)) as chunks:
            for chunk in chunks:
                if not _commit(customer_import, chunk, header, asks=parser.asks):
                    return
                if on_progress:
                    on_progress(customer_import)
                if deadline is not None and time.monotonic() >= deadline:
                    _end(customer_import, status=Status.PENDING)
                    return
    if _end(customer_import, status=Status.COMPLETED, finished_at=timezone.now()):
        # It holds personal data and is of no more use.
        Path(customer_import.file).unlink(missing_ok=True)


def _parser(customer_import: CustomerImport, header: Header) -> RowParser:
    names = attribute_columns(customer_import.mapping)
    attributes = Attribute.objects.of(customer_import.workspace).filter(name__in=names)
    types = dict(attributes.values_list("name", "type"))
    if missing := names.keys() - types.keys():
        raise ImportRefused(
            f"The attribute {min(missing)} has been deleted since. Create it again, or import the file anew."
        )
    return RowParser(header.columns, customer_import.mapping, types, subscribe=customer_import.subscribe)


def _read_ahead(reader: Reader, parser: RowParser) -> Generator[Chunk, None, None]:
    """Yield all chunks; while the database writes one, a thread parses the next."""
    with _short_turns(), ThreadPoolExecutor(1, "import") as ahead:
        coming = ahead.submit(_next_chunk, reader, parser)
        while chunk := coming.result():
            coming = ahead.submit(_next_chunk, reader, parser)
            yield chunk


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let threads of Python take turns of TURN_SECONDS.

    By itself one that computes goes on for 5 ms, and each answer of the database would wait as long.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _next_chunk(reader: Reader, parser: RowParser) -> Chunk | None:
    """Read and parse the next rows, duplicates of an address made one; None at the end of the file."""
    start = reader.position
    rows: dict[str, Row] = {}
    rejects: list[Reject] = []
    for count, (line, record) in enumerate(reader, 1):
        row = _row(parser, line, record)
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            email = row[0]
            rows[email] = merge(rows[email], row) if email in rows else row
        if count >= CHUNK_ROWS or reader.position - start >= CHUNK_BYTES:
            break
    if reader.position == start:
        return None
    return Chunk(Batch.of(rows.values()), rejects, reader.position, reader.line)


def _row(parser: RowParser, line: int, record: list[str] | Unreadable) -> Row | Reject:
    if isinstance(record, Unreadable):
        return Reject(line, record.reason, [record.text])
    try:
        return parser.parse(record)
    except ValueError as error:
        return Reject(line, str(error), record)


@transaction.atomic
def _commit(customer_import: CustomerImport, chunk: Chunk, header: Header, *, asks: bool) -> bool:
    """Write a chunk and move the import behind it; False when another runner has moved it already.

    The database need not wait for its disk: a crash takes the chunk and the import's position together, and
    the end of the import, for which it does wait, comes after all of it.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
    here = CustomerImport.objects.filter(
        pk=customer_import.pk, position=customer_import.position, status=Status.RUNNING
    )
    # The lock makes a second runner wait here, and then find nothing.
    if not here.select_for_update().values_list("pk").first():
        return False
    written = write_rows(_origin(customer_import), chunk.batch, asks=asks)
    customer_import.rejected_size = append(
        rejected_path(customer_import), customer_import.rejected_size, header.columns, chunk.rejects
    )
    customer_import.position, customer_import.line = chunk.position, chunk.line
    customer_import.created += written.created
    customer_import.updated += written.updated
    customer_import.kept_out += written.kept_out
    customer_import.rejected += len(chunk.rejects)
    customer_import.progressed_at = timezone.now()
    customer_import.save(update_fields=PROGRESS)
    if asks:
        # Somebody may have been opted out. Last, so that no gate waits for the whole chunk.
        refusals.announce(customer_import.workspace_id)
    return True


def _origin(customer_import: CustomerImport) -> Origin:
    return Origin(
        customer_import.workspace_id,
        ConsentRecord.Source.IMPORT,
        customer_import.consent_note or f"As the file says: {customer_import.name}",
        timezone.now(),
        import_id=customer_import.pk,
    )


def _end(customer_import: CustomerImport, **values: Any) -> bool:
    """Let go of the import, unless another runner has moved it or ended it."""
    here = CustomerImport.objects.filter(
        pk=customer_import.pk, position=customer_import.position, status=Status.RUNNING
    )
    return bool(here.update(**values))
