from __future__ import annotations

import csv
import io
import tracemalloc
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience.imports.reader import MAX_RECORD, Header, Reader, Unreadable, read_header


def _file(tmp_path: Path, content: bytes) -> Any:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    return path.open("rb")


def _records(tmp_path: Path, content: bytes) -> list[tuple[int, list[str] | str]]:
    with _file(tmp_path, content) as file:
        reader = Reader(file, ",", position=0, line=0)
        return [(line, r.reason if isinstance(r, Unreadable) else r) for line, r in reader]


def test_lines_are_those_where_records_begin(tmp_path: Path) -> None:
    content = b'a,b\r\n"x\ny",1\n\n\nc,"d\r\n\r\ne"\nf,g'
    assert _records(tmp_path, content) == [
        (1, ["a", "b"]),
        (2, ["x\ny", "1"]),
        (6, ["c", "d\r\n\r\ne"]),
        (9, ["f", "g"]),
    ]


cells = st.text(st.sampled_from('ab,;"\n\r é\u2028'), max_size=6)


@given(st.lists(st.lists(cells, min_size=2, max_size=3), max_size=8), st.integers(0, 8))
def test_reading_can_go_on_from_any_record(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], stop: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    with _file(tmp_path_factory.mktemp("csv"), text.getvalue().encode()) as file:
        reader = Reader(file, ",", position=0, line=0)
        before = list(islice(reader, stop))
        after = Reader(file, ",", position=reader.position, line=reader.line)
        assert [record for _, record in [*before, *after]] == [row for row in rows if any(row)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'x"y,"a"b,c\n', "inside a quoted field"),
        (b"x,y\rz\n", "bare carriage return"),
        (b"x," + b"y" * 70_000 + b"\n", "too long"),
        (b"x," + b"y" * 10_000_000 + b"\n", "too long"),
        (b'x,"' + b"y" * 10_000_000 + b'"\n', "too long"),
        (b'"y",' * 300_000 + b"z\n", "too long"),
    ],
)
def test_a_record_that_is_no_csv_is_passed_over(tmp_path: Path, content: bytes, reason: str) -> None:
    bad, good = _records(tmp_path, content + b"c,d\n")
    assert bad[0] == 1
    assert reason in bad[1]
    assert good == (2, ["c", "d"])


def test_a_quotation_mark_that_is_never_closed_is_reported_with_the_lines_it_took(tmp_path: Path) -> None:
    assert _records(tmp_path, b'a,b\nc,"d\ne,f\n')[1:] == [
        (2, "a quotation mark is opened and never closed (lines 2 to 3 are left out together)")
    ]


def test_memory_stays_flat_whatever_a_field_holds(tmp_path: Path) -> None:
    with (tmp_path / "list.csv").open("wb") as file:
        file.write(b'a,"')
        for _ in range(50):
            file.write(b"y" * MAX_RECORD)
        file.write(b'"\nb,"' + b"y\n" * 2_000_000 + b'"\n')
    with (tmp_path / "list.csv").open("rb") as file:
        tracemalloc.start()
        assert any(isinstance(record, Unreadable) for _, record in Reader(file, ",", position=0, line=0))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8 * MAX_RECORD


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_columns(tmp_path: Path, delimiter: str) -> None:
    line = delimiter.join(["email", '"name, first"', "orders"]).encode()
    with _file(tmp_path, b"\xef\xbb\xbf" + line + b"\r\n1,2,3\n") as file:
        assert read_header(file) == Header(
            ["email", "name, first", "orders"], delimiter, 3 + len(line) + 2, 1
        )


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    with _file(tmp_path, b"email\njo@example.com\n") as file:
        assert read_header(file).columns == ["email"]
