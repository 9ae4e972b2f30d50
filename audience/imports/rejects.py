"""The downloadable file of rows that an import did not take, with line and reason."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

from audience.imports.mapping import REJECT_COLUMNS
from audience.models import CustomerImport
from audience.spreadsheets import cell


@dataclass(frozen=True, slots=True)
class Reject:
    line: int
    reason: str
    cells: list[str]


def rejected_path(customer_import: CustomerImport) -> Path:
    """Return where the rejected rows are; there is no file when there are none."""
    return Path(customer_import.file).with_suffix(".rejected.csv")


def append(path: Path, size: int, columns: list[str], rejects: list[Reject]) -> int:
    """Write rejects behind the first `size` bytes of the file, drop what stood there, return the new size.

    What stood there is of a chunk that was not committed. On disk when this returns.
    """
    if not rejects:
        return size
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if size == 0:
        text.write("\ufeff")  # Without it Excel takes the file for its own old encoding.
        writer.writerow([*REJECT_COLUMNS, *map(cell, columns)])
    writer.writerows([reject.line, reject.reason, *map(cell, reject.cells)] for reject in rejects)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(text.getvalue().encode())
        file.flush()
        os.fsync(file.fileno())
        return file.tell()
