"""An installation before its first customer, made once and copied by every test.

python -m tests.chaos.template DIRECTORY [--embedded | --distributed]
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection
from pathlib import Path

from tests.chaos.world import Dose, Options, World


def make(directory: Path, modes: Collection[str]) -> None:
    """Leave a PostgreSQL data directory, an SQLite file, or both, with an empty installation in it."""
    for embedded in [mode == "--embedded" for mode in modes]:
        with World("template", Options(0, Dose.small(0), embedded=embedded)) as world:
            if embedded:
                shutil.copy(world.directory / "var" / "drumbeat.sqlite3", directory)
            else:
                world.postgres.stop()
                shutil.copytree(world.postgres.data, directory / "data")


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2:] or ["--distributed", "--embedded"])
