"""A PostgreSQL and a Redis that can be broken and come back, with their data and address."""

from __future__ import annotations

import random
import shutil
import signal
import socket
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests import servers
from tests.chaos.processes import Leash, Process, wait_for

# Settings of production, and what the oracle needs: the moment of each commit.
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "track_commit_timestamp": "on",
    "listen_addresses": "",
    "max_connections": "200",
    # The others on this machine need memory too.
    "shared_buffers": "64MB",
    "checkpoint_timeout": "15min",
    "max_wal_size": "4GB",
}


class Postgres:
    """A cluster of its own, on a private socket."""

    def __init__(self, leash: Leash, programs: Path, directory: Path, environment: dict[str, str]) -> None:
        self.data = directory / "data"
        self.url = f"postgresql://drumbeat@/drumbeat?host={quote(str(directory), safe='')}"
        settings = [f"-c{name}={value}" for name, value in DURABLE.items()]
        command = [programs / "postgres", "-D", self.data, "-k", directory, *settings]
        self._programs = programs
        self._directory = directory
        owner = directory.stat()
        as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        options = as_owner if owner.st_uid else {}
        log = directory / "postgres.log"
        self._process = Process(leash, command, log, environment, cwd=directory, **options)

    def create(self, template: Path | None) -> None:
        """Make the cluster, or copy it from a template's data directory, and start it."""
        if template is not None:
            shutil.copytree(template, self.data, copy_function=shutil.copy)
            give(self.data, like=self._directory)
            self.start()
            return
        locale = ["-E", "UTF8", "--locale", "C.UTF-8"]
        initdb = [self._programs / "initdb", "-D", self.data, "-U", "drumbeat", "-A", "trust", *locale]
        servers.run(initdb, self._directory)
        self.start()
        createdb = [self._programs / "createdb", "-h", self._directory, "-U", "drumbeat", "drumbeat"]
        servers.run(createdb, self._directory)

    def start(self) -> None:
        self._process.start()
        if not wait_for(self.answers, servers.PATIENCE):
            raise servers.Unavailable((self._directory / "postgres.log").read_text())

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url.replace("/drumbeat?", "/postgres?")).close()
        except psycopg.OperationalError:
            return False
        return True

    def crash(self) -> None:
        """Stop as `pg_ctl -m immediate` does: no commit that was not on disk survives."""
        self._process.end(signal.SIGQUIT)

    def stop(self) -> None:
        """Stop in good order, with everything on disk."""
        self._process.end(signal.SIGINT)


class Redis:
    """A Redis that keeps nothing: killed, it has forgotten everything."""

    def __init__(self, leash: Leash, program: Path, directory: Path, environment: dict[str, str]) -> None:
        self.port = quiet_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        where = ["--port", str(self.port), "--bind", "127.0.0.1"]
        command = [program, *where, "--save", "", "--appendonly", "no", "--dir", directory]
        self._process = Process(leash, command, directory / "redis.log", environment)

    def start(self) -> None:
        self._process.start()
        if not servers.answers(self._process.popen, self.port):
            raise servers.Unavailable("Redis does not start.")

    def kill(self) -> None:
        self._process.end(signal.SIGKILL)

    def freeze(self) -> None:
        """Alive to TCP, and silent."""
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send(signal.SIGCONT)


def quiet_port() -> int:
    """A port that no outgoing connection will be given while its server is away."""
    while True:
        port = random.randint(20000, 32000)  # noqa: S311 - below the range that systems give out
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def give(directory: Path, like: Path) -> None:
    """Give a directory and all in it to the owner of another one."""
    owner = like.stat()
    for path in (directory, *directory.rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    directory.chmod(0o700)
