"""A worker's own record of what it handed over, for the moment when the database cannot be told.

An append-only file per worker: the intent before each hand-over, the answer after it. Each line is
one write() to the kernel, so it survives kill -9 of the worker; the rows that are settled meanwhile
need no line any more, and the file is emptied when nothing is in doubt. After a crash, recover()
tells the three cases apart that the database alone cannot: not begun, in doubt, answered.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from delivery.claim import Claim
from delivery.transports.base import Answer, Verdict


def directory() -> Path:
    path = Path(settings.DATA_DIR) / "journals"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _boot_id() -> str:
    """Names this run of the machine; empty where the kernel has no name for it.

    Lines are not synced to disk: after a power cut some may be missing, and then a journal only
    proves what it says, not what it doesn't.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Journal:
    """The journal of one living worker; a lock on the file says that it lives."""

    def __init__(self, worker: str) -> None:
        self.path = directory() / f"{worker}-{uuid.uuid4().hex[:8]}.journal"
        new = self.path.with_suffix(".new")
        self._file = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        # Locked before it has its name, so that nobody takes it for a dead worker's.
        new.rename(self.path)

    def took(self, claims: Sequence[Claim]) -> None:
        """Note the rows that are about to pass the gate; none of them has been handed over yet."""
        self._write({"took": [[c.row_id, c.fence] for c in claims], "boot": _boot_id()})

    def intend(self, row_id: int) -> None:
        """Note that the row's mail is about to leave."""
        self._write({"intend": row_id})

    def answered(self, answer: Answer) -> None:
        """Note what became of it."""
        self._write(
            {
                "answer": answer.row_id,
                "verdict": answer.verdict.name,
                "provider_id": answer.provider_id,
                "error": answer.error,
            }
        )

    def settled(self) -> None:
        """Forget everything: the database knows it."""
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Remove the file. Call it only when everything is settled."""
        self.path.unlink(missing_ok=True)
        os.close(self._file)

    def abandon(self) -> None:
        """Let go of the file and leave it to left_behind()."""
        os.close(self._file)

    def _write(self, line: dict[str, object]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")


@dataclass
class Remains:
    """What a dead worker's journal says about the rows it had in `sending`."""

    path: Path
    # The machine has not been restarted since: every line that was written is there to be read.
    complete: bool = True
    fences: dict[int, int] = field(default_factory=dict)
    intended: set[int] = field(default_factory=set)
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def untouched(self) -> list[Claim]:
        """Rows whose hand-over never began: safe to queue again."""
        return [Claim(i, f) for i, f in self.fences.items() if self.complete and i not in self.intended]

    @property
    def in_doubt(self) -> list[Claim]:
        """Rows whose hand-over began, or may have begun, and got no answer."""
        begun = self.intended if self.complete else self.fences
        return [Claim(i, f) for i, f in self.fences.items() if i in begun and i not in self.answers]

    def read(self, line: bytes) -> None:
        entry = json.loads(line)
        if "took" in entry:
            self.fences.update(dict(entry["took"]))
            self.complete = self.complete and entry["boot"] == _boot_id() != ""
        elif "intend" in entry:
            self.intended.add(entry["intend"])
        else:
            row_id = entry["answer"]
            self.answers[row_id] = Answer(
                row_id, Verdict[entry["verdict"]], entry["provider_id"], entry["error"]
            )


def left_behind() -> Iterator[Remains]:
    """The journals of workers that died, each locked while the caller works on it, then removed.

    The caller settles a journal's rows before it asks for the next; if it raises, the file stays.
    """
    for path in sorted(directory().glob("*.journal")):
        try:
            file = path.open("rb+")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            remains = Remains(path)
            for line in file:
                # A line without its end was being written when the worker died: its hand-over
                # had not begun, or its answer is not known.
                if line.endswith(b"\n"):
                    remains.read(line)
            yield remains
            path.unlink(missing_ok=True)
