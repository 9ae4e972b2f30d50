"""The whole suite on SQLite and on PostgreSQL, and in a browser, side by side; `make test` calls it.

    python tests/suite.py [PYTEST ARGUMENTS]

SQLite's run is shown as it goes, the others after it, and at the end one line for each. Each has its own
servers, data directory and ports. Where the environment gives one REDIS_URL for all, they run one after
the other. What asks no database, and what would show the same on both, is in one of them only
(tests/conftest.py says which).
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

# Each run, with the servers that it needs.
RUNS = {
    "SQLite": ["--redis"],
    "PostgreSQL": ["--redis", "--postgres"],
    "Browser": ["--redis", "--postgres"],
}
# pytest's codes. A part of the suite may have nothing to do in one of the runs.
NOTHING_FOUND = 5
PASSED = {0, NOTHING_FOUND}


def command(run: str, arguments: list[str]) -> list[str]:
    """The suite under its servers. Two runs at once must not write one cache."""
    python, servers = sys.executable, str(Path(__file__).with_name("servers.py"))
    pytest = [python, "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{run}"]
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    return [python, servers, *RUNS[run], "--", *pytest, *colour, *arguments]


def environment(run: str, directory: Path) -> dict[str, str]:
    """The environment of one run. It wins over .env: what stands there must not change the tests."""
    own = {
        "SECRET_KEY": "only-for-tests",
        "DEBUG": "false",
        "ENABLE_EMAIL_SCHEDULER": "true",
        "DATA_DIR": str(directory),
        "MAILBOX_PORT": str(free_port()),
        "SUITE_RUN": run,
        # Hundreds of processes are started, and would compile all of Drumbeat each.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    if run == "SQLite":
        own["DATABASE_URL"] = f"sqlite:///{directory / 'drumbeat.sqlite3'}"
    return os.environ | own


@contextmanager
def started(run: str, arguments: list[str], scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One run, writing to its log in the scratch directory; stopped if it has not ended."""
    directory = scratch / run
    directory.mkdir()
    with log_of(run, scratch).open("wb") as log:
        process = subprocess.Popen(
            command(run, arguments), env=environment(run, directory), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def log_of(run: str, scratch: Path) -> Path:
    return scratch / f"{run}.log"


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
        # A list starts all now; the generator starts the next when the one before has ended.
        for run, process in runs if "REDIS_URL" in os.environ else list(runs):
            sys.stdout.write(f"--- {run}\n")
            summary = follow(log_of(run, scratch), process)
            summaries.append(f"{run + ':':12}{summary}\n")
            codes.append(process.returncode)
    sys.stdout.writelines(["\n", *summaries])
    return int(not set(codes) <= PASSED or set(codes) == {NOTHING_FOUND})


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
