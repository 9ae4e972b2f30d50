"""The spool: what a request has written is there afterwards, whatever happens to anybody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from delivery import spool
from delivery.spool import Hit
from delivery.tokens import Reference

ABOUT = Reference(1, 2, 3, 4)


def note(link: int | None = None) -> None:
    spool.note(ABOUT, link, "", "Firefox", "192.0.2.1")


def hits() -> list[Hit]:
    return [hit for chunk in spool.chunks(3) for hit in chunk]


def files() -> list[Path]:
    return list((Path(configured.DATA_DIR) / "hits").glob("hits*"))


def test_what_was_noted_is_given_once_and_in_order() -> None:
    for link in (None, 0, 7):
        note(link)
    assert not spool.is_empty()
    found = hits()
    assert [(hit.link, hit.row_id, hit.workspace_id, hit.customer_id) for hit in found] == [
        (link, 3, 1, 2) for link in (None, 0, 7)
    ]
    assert len({hit.id for hit in found}) == 3
    assert (found[0].agent, found[0].ip) == ("Firefox", "192.0.2.1")
    assert spool.is_empty() and hits() == [] == files()


def test_what_was_in_hand_when_a_reader_died_is_given_again() -> None:
    for link in range(5):
        note(link)
    reader = spool.chunks(4)
    first = [hit.link for hit in next(reader)]
    second = [hit.link for hit in next(reader)]
    reader.close()
    note(5)
    assert first == [0, 1] and second == [2, 3]
    assert [hit.link for hit in hits()] == [2, 3, 4, 5]


def test_two_readers_at_once_do_not_read_the_same() -> None:
    note()
    with_lock = spool.chunks(10)
    assert len(next(with_lock)) == 1
    assert list(spool.chunks(10)) == []
    with_lock.close()


def test_a_line_that_is_cut_off_costs_itself_and_no_other() -> None:
    note(1)
    [file] = files()
    with file.open("ab") as lines:
        lines.write(b'\n["half a li')
    note(2)
    with files()[0].open("ab") as lines:
        lines.write(b"{}\n[1]\n\xff\n")
    assert [hit.link for hit in hits()] == [1, 2]


def test_a_disk_that_cannot_be_written_costs_the_hit_only(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").touch()
    settings.DATA_DIR = tmp_path / "taken"
    note()
    assert "cannot be written" in caplog.text


def test_nothing_is_lost_between_many_writers_and_a_reader() -> None:
    writers = [threading.Thread(target=lambda n=n: [note(n * 200 + i) for i in range(200)]) for n in range(4)]
    for writer in writers:
        writer.start()
    found: list[Hit] = []
    while any(writer.is_alive() for writer in writers) or not spool.is_empty():
        found += hits()
    assert sorted(hit.link or 0 for hit in found) == list(range(800))


def test_a_reader_waits_for_whoever_is_writing() -> None:
    note(1)
    file = spool._open_current()
    found: list[Hit] = []
    reader = threading.Thread(target=lambda: found.extend(hits()))
    reader.start()
    while any(path.name == spool.CURRENT for path in files()):
        pass
    os.write(file, f"\n{json.dumps(Hit('x', 0.0, 3, 1, 2, 2, '', '', ''))}\n".encode())
    os.close(file)
    reader.join()
    assert [hit.link for hit in found] == [1, 2]


def test_whoever_opened_a_file_that_was_taken_away_writes_into_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flock, taken = spool.fcntl.flock, list[Hit]()

    def taken_before_it_is_locked(file: int, operation: int) -> None:
        if operation == spool.fcntl.LOCK_SH and not taken:
            monkeypatch.undo()
            taken.extend(hits())
        flock(file, operation)

    note(1)
    monkeypatch.setattr(spool.fcntl, "flock", taken_before_it_is_locked)
    note(2)
    assert [hit.link for hit in taken] == [1]
    assert [hit.link for hit in hits()] == [2]


WRITE = """
import django; django.setup()
from delivery import spool
from delivery.tokens import Reference
for number in range(10**9):
    spool.note(Reference(1, 2, 3, 4), number, "", "x", "")
    print(number, flush=True)
"""


def test_what_was_written_survives_the_end_of_the_writer(tmp_path: Path) -> None:
    environment = os.environ | {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE],
        env=environment,
        cwd=configured.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout
    while int(writer.stdout.readline()) < 100:
        pass
    writer.send_signal(signal.SIGKILL)
    said = [100, *map(int, writer.stdout.read().split())]
    writer.wait()
    writer.stdout.close()
    found = [hit.link for hit in hits()]
    assert found[: said[-1] + 1] == list(range(said[-1] + 1))


def test_a_line_holds_no_address_of_a_customer() -> None:
    note(1)
    line = files()[0].read_text().strip()
    assert json.loads(line)[2:6] == [3, 1, 2, 1]
