"""A CSV file as records, from any record on, with the byte and line where each begins.

Memory is bounded by the largest record that is accepted, whatever the file holds.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from audience.addresses import InvalidAddress, normalise

BOM = b"\xef\xbb\xbf"
DELIMITERS = ",;\t|"
MAX_COLUMNS = 200
MAX_FIELD = 65_536  # characters
MAX_RECORD = 1 << 20  # bytes
# Of a record that cannot be read, so much is shown in the file of rejected rows.
MAX_SHOWN = 2000

# What stands in the reader's way, in words for people; the keys begin the csv module's own.
PROBLEMS = {
    "field larger": f"too long: more than {MAX_FIELD:,} characters in a field, or {MAX_RECORD:,} bytes in"
    " all; perhaps a quotation mark is never closed",
    "unexpected end": "a quotation mark is opened and never closed",
    "new-line": "a bare carriage return in the middle of a line; end lines with LF or CR LF",
}
MISPLACED_QUOTE = "a quotation mark inside a quoted field; write it twice"

csv.field_size_limit(MAX_FIELD)


class ImportRefused(ValueError):
    """The file cannot be imported; the message says why and what to do, for people."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is no CSV: why, and how it begins."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, and where the first record below them begins."""

    columns: list[str]
    delimiter: str
    position: int
    line: int


class Reader:
    """The records from a byte position on; `position` and `line` are where the next one begins.

    The csv module takes lines one by one and no further than the record in hand, hence both are exact.
    """

    def __init__(self, file: BinaryIO, delimiter: str, *, position: int, line: int) -> None:
        self.position = position
        self.line = line
        self._file = file
        self._begin = position
        file.seek(position)
        self._records = csv.reader(self._lines(), delimiter=delimiter, strict=True, skipinitialspace=True)

    def __iter__(self) -> Iterator[tuple[int, list[str] | Unreadable]]:
        """Yield each record with the number of its first line; blank ones are passed over."""
        while True:
            self._begin, first = self.position, self.line + 1
            try:
                cells = next(self._records)
            except StopIteration:
                return
            except csv.Error as error:
                yield first, self._unreadable(str(error), first)
            else:
                if any(cells):
                    yield first, cells

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(MAX_RECORD):
            self.line += 1
            self.position += len(line)
            if len(line) == MAX_RECORD and not line.endswith(b"\n"):
                self._skip_line()
            if self.position - self._begin > MAX_RECORD:
                # The csv module refuses this and begins anew with the next line.
                yield "x" * (MAX_FIELD + 1)
            else:
                yield line.decode()

    def _skip_line(self) -> None:
        while rest := self._file.readline(MAX_RECORD):
            self.position += len(rest)
            if rest.endswith(b"\n"):
                return

    def _unreadable(self, error: str, first: int) -> Unreadable:
        reason = next((text for start, text in PROBLEMS.items() if error.startswith(start)), MISPLACED_QUOTE)
        if self.line > first:
            reason += f" (lines {first} to {self.line} are left out together)"
        length = min(self.position - self._begin, MAX_SHOWN)
        raw = os.pread(self._file.fileno(), length, self._begin)
        return Unreadable(reason, raw.decode("utf-8", "replace").rstrip("\r\n"))


def read_header(file: BinaryIO) -> Header:
    """Return the header of an open CSV file, whose delimiter is the one that makes most columns.

    Raises ImportRefused when there is none, or a column has no name, or another's.
    """
    file.seek(0)
    start = len(BOM) if file.read(len(BOM)) == BOM else 0
    header = max((_header(file, start, d) for d in DELIMITERS), key=lambda header: len(header.columns))
    _check(header.columns)
    return header


def _header(file: BinaryIO, start: int, delimiter: str) -> Header:
    reader = Reader(file, delimiter, position=start, line=0)
    _, cells = next(iter(reader), (0, []))
    columns = [] if isinstance(cells, Unreadable) else [cell.strip() for cell in cells]
    return Header(columns, delimiter, reader.position, reader.line)


def _check(columns: list[str]) -> None:
    if not columns:
        raise ImportRefused(
            "The first line holds no column names. Begin the file with a line that names them."
        )
    if len(columns) > MAX_COLUMNS:
        raise ImportRefused(f"The file has {len(columns)} columns; at most {MAX_COLUMNS} can be imported.")
    if any(_is_address(column) for column in columns):
        raise ImportRefused(
            "The first line holds an e-mail address, where the names of the columns should be."
            " Begin the file with a line that names them, such as: email,name"
        )
    seen: set[str] = set()
    for number, column in enumerate(columns, 1):
        if not column:
            raise ImportRefused(f"Column {number} has no name. Name it in the first line, or remove it.")
        if column.lower() in seen:
            raise ImportRefused(f'Two columns are named "{column}". Rename or remove one of them.')
        seen.add(column.lower())


def _is_address(text: str) -> bool:
    try:
        return bool(normalise(text))
    except InvalidAddress:
        return False
