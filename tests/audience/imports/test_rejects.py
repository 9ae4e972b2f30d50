"""The file of rejected rows, which people open with a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path

from audience.imports.rejects import Reject, append


def test_neither_names_nor_cells_of_a_stranger_become_formulas(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    append(path, 0, ["=1+1", "email"], [Reject(2, "no address", ["@sum", "+1"])])
    with path.open(encoding="utf-8-sig", newline="") as file:
        names, row = csv.reader(file)
    assert names[-2:] == ["'=1+1", "email"]
    assert row == ["2", "no address", "'@sum", "'+1"]
