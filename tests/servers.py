"""Throwaway PostgreSQL and Redis servers around one command: what the tests and benchmarks stand on.

    python tests/servers.py [--postgres] [--redis] [--durable] -- COMMAND...

COMMAND finds them in DATABASE_URL and REDIS_URL. Where the environment already gives a PostgreSQL
or a Redis, that one is used. Needs Python only; missing servers are installed by the package manager.

The servers belong to a keeper process that waits for the end of a pipe which this process holds.
However this process ends, SIGKILL included, the keeper stops them and removes their files.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

VARIABLES = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}
OLDEST_POSTGRES = 15
# Where packages put the server programs that are not on PATH: Debian, Fedora, Alpine, Homebrew.
POSTGRES_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/libexec/postgresql*",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
# Package manager -> its command, and its names for the two servers and the browser.
PACKAGES = {
    "apt-get": (
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends",
        {"postgres": "postgresql", "redis": "redis-server", "chromium": "chromium"},
    ),
    "dnf": (
        "dnf install -y",
        {"postgres": "postgresql-server", "redis": "redis", "chromium": "chromium"},
    ),
    "apk": ("apk add", {"postgres": "postgresql", "redis": "redis", "chromium": "chromium"}),
    "brew": (
        "brew install",
        {"postgres": "postgresql@17", "redis": "redis", "chromium": "--cask chromium"},
    ),
}
WAY_OUT = "Or set DATABASE_URL and REDIS_URL to servers that you have."
# Seconds that a server may take to start.
PATIENCE = 60


class Unavailable(Exception):
    """A server can be neither found nor installed, or does not start."""


# --- Finding and installing ----------------------------------------------------------------------


def given(name: str) -> bool:
    """Whether the environment already has a server of this kind."""
    return os.environ.get(VARIABLES.get(name, ""), "").startswith(("postgres", "redis"))


def find_postgres() -> Path | None:
    """The directory of the newest PostgreSQL programs on this machine."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else []
    places += [place for pattern in POSTGRES_PLACES for place in Path("/").glob(pattern)]
    found = [(postgres_version(place), place) for place in places]
    version, place = max(found, default=(0, None))
    return place if version >= OLDEST_POSTGRES else None


def postgres_version(place: Path) -> int:
    """The major version of the server programs in a directory; 0 when it lacks one of them."""
    if not all((place / name).exists() for name in ("initdb", "pg_ctl", "postgres", "createdb")):
        return 0
    answer = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"\d+", answer.stdout)
    return int(version[0]) if version else 0


def find_redis() -> Path | None:
    """The server program of Redis, or of Valkey, which some distributions have in its place."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def find_chromium() -> Path | None:
    """The browser for the tests of pages."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


FINDERS = {"postgres": find_postgres, "redis": find_redis, "chromium": find_chromium}


def find_or_install(wanted: Sequence[str]) -> dict[str, Path]:
    """Where the programs of each wanted server are, missing ones installed first; given ones left out."""
    wanted = [name for name in wanted if not given(name)]
    if missing := [name for name in wanted if not FINDERS[name]()]:
        install(missing)
    found = {name: place for name in wanted if (place := FINDERS[name]())}
    if len(found) < len(wanted):
        raise Unavailable(
            f"Drumbeat is tested on PostgreSQL {OLDEST_POSTGRES} or newer, Redis and Chromium. {WAY_OUT}"
        )
    return found


def install(missing: Sequence[str]) -> None:
    """Install servers with the package manager of this machine, as root or by sudo without a password."""
    manager = next((name for name in PACKAGES if shutil.which(name)), None)
    if manager is None:
        raise Unavailable(
            f"Please install {' and '.join(missing)}: no package manager is known here. {WAY_OUT}"
        )
    command, names = PACKAGES[manager]
    line = " ".join([command, *(names[name] for name in missing)])
    say(f"installing {' and '.join(missing)}: {line}")
    as_root = [] if os.geteuid() == 0 or manager == "brew" else ["sudo", "-n"]
    try:
        subprocess.run([*as_root, "sh", "-c", line], stdout=sys.stderr, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"That did not work. Please run it yourself, as root. {WAY_OUT}") from error


# --- Starting and stopping -----------------------------------------------------------------------


@contextmanager
def postgres(programs: Path, directory: Path, durable: bool, settings: Sequence[str] = ()) -> Iterator[str]:
    """A PostgreSQL with one empty database, on a private socket; its DATABASE_URL.

    `settings` are name=value, for a server that must not be as small as it comes.
    """

    def call(program: str, *arguments: str) -> None:
        run([programs / program, *arguments], directory)

    locale = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    call("initdb", "-D", "data", "-U", "drumbeat", "-A", "trust", "-E", "UTF8", "--locale", locale, "-N")
    options = f"-c listen_addresses= -k {shlex.quote(str(directory))}"
    if not durable:
        options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    options += "".join(f" -c {setting}" for setting in settings)
    call("pg_ctl", "-D", "data", "-w", "-t", str(PATIENCE), "-l", "postgres.log", "-o", options, "start")
    try:
        call("createdb", "-h", str(directory), "-U", "drumbeat", "drumbeat")
        yield f"postgresql://drumbeat@/drumbeat?host={quote(str(directory), safe='')}"
    finally:
        call("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")


def run(command: Sequence[str | Path], directory: Path) -> None:
    """Run a program of PostgreSQL in its directory, as the directory's owner: it refuses to be root."""
    owner = directory.stat()
    as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, **as_owner)
    if done.returncode:
        log = directory / "postgres.log"
        raise Unavailable(done.stdout + done.stderr + (log.read_text() if log.exists() else ""))


@contextmanager
def redis(program: Path, directory: Path) -> Iterator[str]:
    """A Redis that keeps nothing, on a free loopback port; its REDIS_URL."""
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
    with (directory / "redis.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            if not answers(process, port):
                raise Unavailable((directory / "redis.log").read_text())
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the Redis of this process answers; False when it ends or stays silent."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
        except OSError:
            time.sleep(0.02)
    return False


def private_directory() -> Path:
    """A new directory that the servers own. Not in root's TMPDIR, where another user may not go."""
    if os.geteuid() != 0:
        return Path(tempfile.mkdtemp(prefix="drumbeat-"))
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names.get("nobody")
    if user is None:
        raise Unavailable("PostgreSQL does not run as root, and there is no user postgres or nobody.")
    directory = Path(tempfile.mkdtemp(prefix="drumbeat-", dir="/tmp"))
    os.chown(directory, user.pw_uid, user.pw_gid)
    return directory


# --- The keeper ----------------------------------------------------------------------------------


@contextmanager
def kept(programs: dict[str, Path], durable: bool, settings: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Servers in the care of a keeper process for as long as this block, or this process, lasts."""
    leash, our_end = os.pipe()
    report, their_end = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(our_end)
        os._exit(keep(programs, durable, settings, leash, their_end))
    os.close(leash)
    os.close(their_end)
    try:
        with os.fdopen(report) as lines:
            addresses = lines.read()
        if not addresses:
            raise Unavailable("The servers did not start.")
        yield json.loads(addresses)
    finally:
        os.close(our_end)
        os.waitpid(keeper, 0)


def keep(programs: dict[str, Path], durable: bool, settings: Sequence[str], leash: int, report: int) -> int:
    """Start the servers, report their addresses, and stop them when the leash is let go."""
    # Out of the terminal's reach: Ctrl-C is for the command, the servers must outlive it.
    os.setsid()
    directory = private_directory()
    try:
        with ExitStack() as servers:
            addresses = {}
            if "postgres" in programs:
                cluster = postgres(programs["postgres"], directory, durable, settings)
                addresses["DATABASE_URL"] = servers.enter_context(cluster)
            if "redis" in programs:
                addresses["REDIS_URL"] = servers.enter_context(redis(programs["redis"], directory))
            os.write(report, json.dumps(addresses).encode())
            os.close(report)
            os.read(leash, 1)
        return 0
    except Unavailable as error:
        say(str(error))
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)


# --- The command ---------------------------------------------------------------------------------


def run_command(command: Sequence[str], addresses: dict[str, str]) -> int:
    """Run the command with the servers' addresses; its exit code, or 128 + the signal that ended it."""
    # No signal may come between the start of the command and the handlers that pass it on.
    passed_on = {signal.SIGTERM, signal.SIGHUP}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, passed_on | {signal.SIGINT})
    process = subprocess.Popen(
        command,
        env=os.environ | addresses,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),
    )
    for number in passed_on:
        signal.signal(number, lambda received, _: process.send_signal(received))
    # The terminal sends Ctrl-C to the command as well; the others come to us alone.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    code = process.wait()
    return code if code >= 0 else 128 - code


def say(text: str) -> None:
    sys.stderr.write(f"servers: {text}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command with throwaway servers.")
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL")
    parser.add_argument("--redis", action="store_true", help="start a Redis")
    parser.add_argument(
        "--durable", action="store_true", help="PostgreSQL waits for the disk, as in production"
    )
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    wanted = [name for name in VARIABLES if getattr(options, name)]
    try:
        with kept(find_or_install(wanted), options.durable) as addresses:
            return run_command(options.command, addresses)
    except Unavailable as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
