"""A worker's own record of what it handed over, for the moment when the database cannot be told.

An append-only file per worker: which rows passed the gate, which of them left, what was answered.
Each line is one write() to the kernel, so it survives kill -9 of the worker; the file is emptied when
nothing is in doubt. After a crash, recover() tells apart what the database alone cannot: not begun,
in doubt, answered. The first line, written through a memory map, names the row whose mail is being
built: if that kills the worker, it is known whose data did it.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from delivery.claim import Claim
from delivery.transports.base import Answer, Verdict

# The first line: the id of the row that is being built, or 0.
_BUILDING = b"%019d\n"
_BUILDING_LENGTH = 20
_NOTHING = _BUILDING % 0
# The most frequent lines by far; the first letter tells them from the others, which are JSON.
_LEFT = b"l%d\n"
_ACCEPTED = b"a%d %s\n"


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
        self._worker = worker
        self._boot = _boot_id()
        new = self.path.with_suffix(".new")
        self._file = os.open(new, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.write(self._file, _NOTHING)
        self._building = mmap.mmap(self._file, _BUILDING_LENGTH)
        # Locked before it has its name, so that nobody takes it for a dead worker's.
        new.rename(self.path)

    def took(self, claims: Sequence[Claim]) -> None:
        """Note the rows that are about to pass the gate; none of them has been handed over yet."""
        self._write({"took": claims, "worker": self._worker, "boot": self._boot})

    def building(self, row_id: int) -> None:
        """Note whose mail is being built."""
        self._building[:] = _BUILDING % row_id

    def built(self) -> None:
        """Note that it did no harm."""
        self._building[:] = _NOTHING

    def leaving(self, row_id: int) -> None:
        """Note that the row's mail is about to leave."""
        os.write(self._file, _LEFT % row_id)

    def answered(self, answer: Answer) -> None:
        """Note what became of it."""
        plain = answer.provider_id.isascii() and answer.provider_id.isprintable()
        if answer.verdict is Verdict.ACCEPTED and plain and not answer.error:
            os.write(self._file, _ACCEPTED % (answer.row_id, answer.provider_id.encode()))
            return
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
        os.ftruncate(self._file, _BUILDING_LENGTH)

    def close(self) -> None:
        """Remove the file. Call it only when everything is settled."""
        self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the file and leave it to left_behind()."""
        self._building.close()
        os.close(self._file)

    def _write(self, line: dict[str, object]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")


@dataclass
class Remains:
    """What a dead worker's journal says about the rows it had in `sending`."""

    path: Path
    # The machine has not been restarted since: every line that was written is there to be read.
    complete: bool = True
    # The name by which the rows know it.
    worker: str = ""
    # The row whose mail was being built when the worker died.
    building: int = 0
    fences: dict[int, int] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def untouched(self) -> list[Claim]:
        """Rows whose mail never left: safe to queue again."""
        return [Claim(i, f) for i, f in self.fences.items() if self.complete and i not in self.left]

    @property
    def in_doubt(self) -> list[Claim]:
        """Rows whose mail left, or may have left, and got no answer."""
        left = self.left if self.complete else self.fences
        return [Claim(i, f) for i, f in self.fences.items() if i in left and i not in self.answers]

    @property
    def suspect(self) -> Claim | None:
        """The row whose mail may have killed the worker while it was built."""
        fence = self.fences.get(self.building) if self.complete else None
        return None if fence is None or self.building in self.left else Claim(self.building, fence)

    def read(self, line: bytes) -> None:
        if line.startswith(b"l"):
            self.left.add(int(line[1:]))
        elif line.startswith(b"a"):
            row_id, _, provider_id = line[1:-1].partition(b" ")
            self._answered(Answer(int(row_id), Verdict.ACCEPTED, provider_id.decode()))
        else:
            self._read_json(json.loads(line))

    def _read_json(self, entry: dict[str, object]) -> None:
        match entry:
            case {"took": took, "worker": str(worker), "boot": boot}:
                self.worker = worker
                self._took(dict(took))  # type: ignore[call-overload]
                self.complete = self.complete and boot == _boot_id() != ""
            case {"answer": int(row_id), "verdict": str(verdict), **words}:
                self._answered(Answer(row_id, Verdict[verdict], **words))  # type: ignore[arg-type]

    def _took(self, fences: dict[int, int]) -> None:
        """A row that was given back and taken once more begins anew."""
        self.fences.update(fences)
        self.left.difference_update(fences)
        for row_id in fences:
            self.answers.pop(row_id, None)

    def _answered(self, answer: Answer) -> None:
        self.answers[answer.row_id] = answer


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
            if not path.exists():
                continue  # Another worker was first, and has removed it.
            remains = Remains(path, building=int(file.read(_BUILDING_LENGTH) or 0))
            for line in file:
                # A line without its end was being written when the worker died: the mail had not
                # left, or its answer is not known.
                if line.endswith(b"\n"):
                    remains.read(line)
            yield remains
            path.unlink(missing_ok=True)
