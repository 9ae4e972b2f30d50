"""The whole suite on SQLite and on PostgreSQL, side by side; `make test` calls it.

    python tests/suite.py [PYTEST ARGUMENTS]

SQLite's run is shown as it goes, PostgreSQL's after it, and at the end one line for each. Each has
its own servers, data directory and ports. Where the environment gives one REDIS_URL for both, they
run one after the other. What asks no database, and what takes minutes and is about pages and answers,
is in one of them only (tests/conftest.py says which).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from servers import VARIABLES, Unavailable, find_or_install, free_port, say

# Database -> the servers that its run needs.
RUNS = {"SQLite": ["--redis"], "PostgreSQL": ["--redis", "--postgres"]}


def command(database: str, arguments: list[str]) -> list[str]:
    """The suite under its servers. Two runs at once must not write one cache."""
    python, servers = sys.executable, str(Path(__file__).with_name("servers.py"))
    pytest = [python, "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{database}"]
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    return [python, servers, *RUNS[database], "--", *pytest, *colour, *arguments]


def environment(database: str, directory: Path) -> dict[str, str]:
    """The environment of one run. It wins over .env: what stands there must not change the tests."""
    own = {
        "SECRET_KEY": "only-for-tests",
        "DEBUG": "false",
        "ENABLE_EMAIL_SCHEDULER": "true",
        "DATA_DIR": str(directory),
        "MAILBOX_PORT": str(free_port()),
        "SUITE_RUN": database,
    }
    if database == "SQLite":
        own["DATABASE_URL"] = f"sqlite:///{directory / 'drumbeat.sqlite3'}"
    return os.environ | own


@contextmanager
def started(database: str, arguments: list[str], scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One run, writing to DATABASE.log in the scratch directory; stopped if it has not ended."""
    directory = scratch / database
    directory.mkdir()
    with log_of(database, scratch).open("wb") as log:
        process = subprocess.Popen(
            command(database, arguments), env=environment(database, directory), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def log_of(database: str, scratch: Path) -> Path:
    return scratch / f"{database}.log"


def follow(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Show a log until its process ends; its last line, which is pytest's summary."""
    with log.open(errors="replace") as text:
        ended = False
        while not ended:
            ended = process.poll() is not None
            sys.stdout.write(text.read())
            sys.stdout.flush()
            time.sleep(0 if ended else 0.2)
    return (log.read_text(errors="replace").splitlines() or ["no output"])[-1]


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Before the runs: two package managers at once get into each other's way.
    find_or_install([*VARIABLES, "chromium"])
    summaries, codes = [], []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drumbeat-")))
        runs = ((name, stack.enter_context(started(name, sys.argv[1:], scratch))) for name in RUNS)
        # A list starts both now; the generator starts the second when the first has ended.
        for database, process in runs if "REDIS_URL" in os.environ else list(runs):
            sys.stdout.write(f"--- {database}\n")
            summary = follow(log_of(database, scratch), process)
            summaries.append(f"{database + ':':12}{summary}\n")
            codes.append(process.returncode)
    sys.stdout.writelines(["\n", *summaries])
    return int(any(codes))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
