"""Takes a file in: everything that can be refused is refused here, before anything is written."""

from __future__ import annotations

import codecs
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from django.conf import settings
from django.db import transaction

from audience import audit
from audience.attributes import infer_type
from audience.imports.mapping import attribute_columns, check_mapping, suggest_mapping
from audience.imports.reader import Header, ImportRefused, Reader, read_header
from audience.models import Attribute, CustomerImport, Workspace

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BLOCK = 1 << 20
# Rows from which the types of new attributes are inferred.
SAMPLE = 1000
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WAY_OUT = "Save it again as “CSV UTF-8” and import that."


def create(
    workspace: Workspace,
    source: Path | BinaryIO,
    *,
    name: str,
    mapping: Mapping[str, str] | None = None,
    subscribe: bool = False,
    consent_note: str = "",
    actor: User | None = None,
) -> CustomerImport:
    """Store a file as an import that waits to be run, with attributes for its unknown columns.

    `mapping` may name some columns only; the rest go where their names suggest. `subscribe` opts in
    whoever has never withdrawn, and needs a note on how they agreed. Raises ImportRefused, and then
    nothing is kept.
    """
    if subscribe and not consent_note.strip():
        raise ImportRefused("Say where and how these people agreed to e-mail: it is kept as evidence.")
    with _stored(source) as path, path.open("rb") as file:
        header = read_header(file)
        chosen = suggest_mapping(header.columns, mapping)
        check_mapping(header.columns, chosen)
        types = _new_types(workspace, file, header, chosen)
        with transaction.atomic():
            Attribute.objects.bulk_create(
                [Attribute(workspace=workspace, name=new, type=type) for new, type in types.items()],
                ignore_conflicts=True,
            )
            row = _row(
                workspace=workspace,
                name=Path(name).name[-255:],
                file=str(path),
                mapping=chosen,
                subscribe=subscribe,
                consent_note=consent_note.strip(),
                size=path.stat().st_size,
                position=header.position,
                line=header.line,
                created_by=actor,
            )
            about = {"bytes": row.size, "subscribe": subscribe}
            # By its number: a file may be named after a person.
            name = f"Import {row.pk}"
            audit.record("file uploaded", row, workspace=workspace, actor=actor, name=name, after=about)
            return row


def _row(**values: object) -> CustomerImport:
    row: CustomerImport = CustomerImport.objects.create(**values)
    return row


@contextmanager
def _stored(source: Path | BinaryIO) -> Iterator[Path]:
    """A checked copy of the source under a name of our own, removed again if anything is wrong with it."""
    directory = Path(settings.DATA_DIR) / "imports"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{uuid.uuid4().hex}.csv"
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                _copy(file, path)
        else:
            _copy(source, path)
        yield path
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ImportRefused(f"The file cannot be read or stored: {error}.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _copy(source: BinaryIO, path: Path) -> None:
    """Copy a text file and refuse one that is empty, damaged or not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = returns = 0
    with path.open("xb") as target:
        while block := source.read(BLOCK):
            _check_block(block, decoder, first_line=lines + 1, is_first=target.tell() == 0)
            lines += block.count(b"\n")
            returns += block.count(b"\r")
            target.write(block)
        if target.tell() == 0:
            raise ImportRefused("The file is empty.")
    if returns and not lines:
        raise ImportRefused(f"The lines end with bare carriage returns (old Mac format). {WAY_OUT}")
    _check_end(decoder, lines + 1)


def _check_block(
    block: bytes, decoder: codecs.IncrementalDecoder, *, first_line: int, is_first: bool
) -> None:
    if is_first and block.startswith(UTF_16):
        raise ImportRefused(f"The file is UTF-16, not UTF-8. {WAY_OUT}")
    if (nul := block.find(b"\0")) >= 0:
        line = first_line + block.count(b"\n", 0, nul)
        raise ImportRefused(f"Line {line} contains a NUL byte: the file is damaged, or not text. {WAY_OUT}")
    try:
        decoder.decode(block)
    except UnicodeDecodeError as error:
        raise _not_utf_8(error, first_line) from error


def _check_end(decoder: codecs.IncrementalDecoder, line: int) -> None:
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf_8(error, line) from error


def _not_utf_8(error: UnicodeDecodeError, first_line: int) -> ImportRefused:
    line = first_line + error.object.count(b"\n", 0, error.start)
    byte = error.object[error.start]
    return ImportRefused(f"Line {line} is not UTF-8 (byte 0x{byte:02X}). {WAY_OUT}")


def _new_types(
    workspace: Workspace, file: BinaryIO, header: Header, mapping: Mapping[str, str]
) -> dict[str, Attribute.Type]:
    """The attributes that the workspace does not have yet, with the types of the first rows' cells."""
    rows = _sample(file, header)
    columns = attribute_columns(mapping)
    known = Attribute.objects.of(workspace).filter(name__in=columns).values_list("name", flat=True)
    return {
        name: infer_type(row[header.columns.index(columns[name])] for row in rows)
        for name in columns.keys() - set(known)
    }


def _sample(file: BinaryIO, header: Header) -> list[list[str]]:
    """The first well-formed rows: so many, or as many as fit into a block."""
    reader = Reader(file, header.delimiter, position=header.position, line=header.line)
    rows, empty = [], True
    for _, record in islice(reader, SAMPLE):
        empty = False
        if isinstance(record, list) and len(record) == len(header.columns):
            rows.append(record)
        if reader.position - header.position > BLOCK:
            break
    if empty:
        raise ImportRefused("The file has a line of column names and no rows below it.")
    return rows
