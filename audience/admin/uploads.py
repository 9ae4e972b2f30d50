"""Files that were uploaded and wait for their columns to be mapped; then audience.imports takes them."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.files.uploadedfile import UploadedFile

from audience.imports import read_header
from audience.imports.reader import Reader

# An upload that nobody went on with is removed after so many seconds.
FORGOTTEN = 24 * 3600
SHOWN_ROWS = 5
SHOWN_CELL = 60


@dataclass(frozen=True)
class Upload:
    """What the session remembers of an upload, so that only who uploaded a file can go on with it."""

    id: str
    name: str
    workspace_id: int
    subscribe: bool
    consent_note: str

    @property
    def path(self) -> Path:
        return directory() / f"{self.id}.upload"


@dataclass(frozen=True)
class Column:
    """One column of the file, with cells of its first rows."""

    name: str
    cells: list[str]


def directory() -> Path:
    return Path(settings.DATA_DIR) / "imports"


def keep(session: SessionBase, file: UploadedFile, **choices: str | int | bool) -> Upload:
    """Store an upload and remember it in the session; the ones that were forgotten go."""
    directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_forgotten()
    upload = Upload(id=uuid.uuid4().hex, name=Path(file.name or "customers.csv").name[-255:], **choices)  # type: ignore[arg-type]
    with upload.path.open("xb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    session[_key(upload.id)] = asdict(upload)
    return upload


def find(session: SessionBase, upload_id: str) -> Upload | None:
    """The upload of this session with this id, if its file is still there."""
    kept = session.get(_key(upload_id))
    upload = Upload(**kept) if kept else None
    return upload if upload and upload.path.exists() else None


def forget(session: SessionBase, upload: Upload) -> None:
    session.pop(_key(upload.id), None)
    upload.path.unlink(missing_ok=True)


def columns(upload: Upload) -> list[Column]:
    """The columns of the file with a few cells each. Raises ImportRefused, UnicodeDecodeError."""
    with upload.path.open("rb") as file:
        header = read_header(file)
        reader = Reader(file, header.delimiter, position=header.position, line=header.line)
        rows = [record for _, record in islice(reader, SHOWN_ROWS) if isinstance(record, list)]
    return [
        Column(name, [row[index][:SHOWN_CELL] for row in rows if index < len(row)])
        for index, name in enumerate(header.columns)
    ]


def _key(upload_id: str) -> str:
    return f"import-{upload_id}"


def _remove_forgotten() -> None:
    for path in directory().glob("*.upload"):
        if path.stat().st_mtime < time.time() - FORGOTTEN:
            path.unlink(missing_ok=True)
