"""Opens and clicks on their way from the request to the database: a file of this host, appended to.

A request writes one line and is done: no database, no lock that anybody holds for long. What write() has
given to the kernel survives kill -9 of every process here; a power cut may cost the last seconds. All
processes of a host share one file, so that none has to be told apart, and delivery.reactions takes it in.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Generator, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from delivery.tokens import Reference

logger = logging.getLogger(__name__)

CURRENT = "hits"
BATCH = "hits-*"


class Hit(NamedTuple):
    """One request for a pixel or a link. `id` is its own: a line that is taken in twice is one hit.

    `link` is None for an open. `sign` is what told a machine at the door, empty for nothing
    (delivery.verdicts).
    """

    id: str
    at: float
    row_id: int
    workspace_id: int
    customer_id: int
    link: int | None
    sign: str
    agent: str
    ip: str


def note(about: Reference, link: int | None, sign: str, agent: str, ip: str) -> None:
    """Keep one hit, whatever happens to this process. A disk that is full is logged, and costs the hit."""
    ident = urlsafe_b64encode(os.urandom(9)).decode()
    hit = Hit(
        ident, time.time(), about.row_id, about.workspace_id, about.customer_id, link, sign, agent[:255], ip
    )
    # A line of its own even behind one that a full disk has cut off.
    line = f"\n{json.dumps(hit, separators=(',', ':'))}\n".encode()
    try:
        file = _open_current()
        try:
            os.write(file, line)
        finally:
            os.close(file)
    except OSError:
        logger.exception("an open or click was lost: the spool cannot be written")


def chunks(size: int) -> Generator[list[Hit], None, None]:
    """The hits kept so far, so many at a time; nothing while another process is at it.

    Once the next are asked for, the last ones are not given again. Those that were in hand when their
    reader died are.
    """
    directory = _directory()
    lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for batch in _batches(directory):
            yield from _read(batch, size)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


def is_empty() -> bool:
    """Whether there is nothing to take in. Costs a look at a directory."""
    return not any(_directory().glob("hits*"))


def _directory() -> Path:
    path = Path(settings.DATA_DIR) / "hits"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _batches(directory: Path) -> Iterator[Path]:
    """Files that nobody writes to any more: what a dead reader left, then what has come since."""
    yield from sorted(directory.glob(BATCH))
    batch = directory / f"{CURRENT}-{time.time_ns()}-{uuid.uuid4().hex[:8]}"
    try:
        (directory / CURRENT).rename(batch)
    except FileNotFoundError:
        return
    # Whoever had opened the file before it was renamed holds this lock while writing; whoever gets it
    # later sees that the name has gone, and writes into the next file.
    with batch.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
    yield batch


def _read(batch: Path, size: int) -> Iterator[list[Hit]]:
    """The hits of a file, which is removed at its end; its suffix says how far it has been read."""
    with batch.open("rb") as file:
        file.seek(int(batch.suffix[1:] or 0))
        while lines := list(islice(file, size)):
            yield [hit for line in lines if (hit := _hit(line)) is not None]
            batch = batch.rename(batch.with_suffix(f".{file.tell()}"))
    batch.unlink()


def _hit(line: bytes) -> Hit | None:
    """What a line says; one that a full disk has cut off says nothing."""
    if line == b"\n":
        return None
    try:
        return Hit(*json.loads(line))
    except (ValueError, TypeError):
        logger.warning("a line of the spool cannot be read")
        return None


def _open_current() -> int:
    """Open the file that hits go to; it is not taken away until it is closed."""
    path = os.path.join(settings.DATA_DIR, "hits", CURRENT)  # noqa: PTH118 - pathlib takes five times as long
    while True:
        try:
            file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        except FileNotFoundError:
            _directory()
            continue
        fcntl.flock(file, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.fstat(file).st_ino == os.stat(path).st_ino:  # noqa: PTH116
                return file
        os.close(file)
