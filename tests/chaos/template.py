"""An installation before its first customer, made once and copied by every test.

python -m tests.chaos.template DIRECTORY
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.chaos.world import Dose, Options, World


def make(directory: Path) -> None:
    """Leave a PostgreSQL data directory, and an SQLite file, with an empty installation in it."""
    for embedded in (False, True):
        with World("template", Options(0, Dose.small(0), embedded=embedded)) as world:
            if embedded:
                shutil.copy(world.directory / "var" / "drumbeat.sqlite3", directory)
            else:
                world.postgres.stop()
                shutil.copytree(world.postgres.data, directory / "data")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
