"""The world of one fault test: an installation of its own, from the database to the provider.

Everything listens on loopback or on a private socket, and ends with the world, however that ends.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import servers
from tests.chaos.books import Books
from tests.chaos.processes import PYTHON, ROOT, Crew, Leash, Process, celery, children, wait_for
from tests.chaos.servers import Postgres, Redis, quiet_port

if TYPE_CHECKING:
    from campaigns.models import Campaign

# Short enough that a test sees leases end and retries come due.
TIMES = {"SEND_LEASE_SECONDS": "60", "SEND_RETRY_SECONDS": "2", "SEND_BATCH_SIZE": "100"}
# Seconds within which work must go on by itself after the last fault.
PATIENCE = 60
# Where engine processes find the patch that takes their guard away (tests/chaos/guards).
GUARDS = Path(__file__).with_name("guards")


@dataclass(frozen=True)
class Dose:
    """How much of everything a test gets."""

    recipients: int
    kills: int
    # Workers, with two processes each, that the kills meet.
    crew: int
    # Of Redis and of PostgreSQL.
    restarts: int
    redis_away: float
    redis_frozen: float
    postgres_away: float
    suppressions: int
    clicking: float
    # Share of the recipients whose mail is taken and met with silence: a client waits for long.
    hang: float

    @classmethod
    def full(cls, recipients: int) -> Dose:
        return cls(recipients, 100, 4, 5, 120, 75, 60, recipients // 5, 60, 0.004)

    @classmethod
    def small(cls, recipients: int) -> Dose:
        return cls(recipients, 8, 2, 1, 3, 3, 3, recipients // 5, 6, 0)


@dataclass(frozen=True)
class Options:
    """What a test is run with."""

    seed: int
    dose: Dose
    # A directory with a filled data directory or SQLite file to copy; None: make one.
    template: Path | None = None
    # The guard that is taken away, of those in tests/chaos/guards; empty: none.
    guard: str = ""
    embedded: bool = False


class Sink:
    """The provider of this world, from outside."""

    def __init__(self, leash: Leash, directory: Path, seed: int, environment: dict[str, str]) -> None:
        self.log = directory / "sink.jsonl"
        command = [PYTHON, "-m", "tests.chaos.sink", self.log, str(seed)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = Process(leash, command, directory / "sink.log", environment, **pipes)

    def start(self) -> None:
        self._process.start()
        assert self._process.popen.stdout
        ports = json.loads(self._process.popen.stdout.readline())
        self.smtp, self.http = ports["smtp"], ports["http"]
        self._control = socket.create_connection(("127.0.0.1", ports["control"]))
        self._lines = self._control.makefile("rw")

    def ask(self, **order: Any) -> dict[str, Any]:
        self._lines.write(json.dumps(order) + "\n")
        self._lines.flush()
        state: dict[str, Any] = json.loads(self._lines.readline())
        return state

    def set(self, **plan: Any) -> None:
        self.ask(set=plan)

    @property
    def accepted(self) -> int:
        return int(self.ask().get("accepted", 0))

    def lines(self) -> Iterator[dict[str, Any]]:
        with self.log.open() as log:
            yield from map(json.loads, log)


class World:
    """One installation; `with World(...) as world` gives it running servers and no engine process yet."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.seed = options.seed
        self.dose = options.dose
        self.embedded = options.embedded
        self.random = random.Random(f"{options.seed} {name}")  # noqa: S311 - repeatable faults
        self.crew = Crew()
        # What engine processes are told beside the world's environment.
        self.engine_environment = {"CHAOS_GUARD": options.guard}
        self._options = options

    def __enter__(self) -> World:
        self.directory = servers.private_directory()
        self.leash = Leash(self.directory)
        try:
            self._build()
        except BaseException:
            self.leash.let_go()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.rest()
        self.books.close()
        self.leash.let_go()

    def _build(self) -> None:
        for name in servers.VARIABLES.values():
            # A server that somebody has is not ours to break.
            os.environ.pop(name, None)
        (self.directory / "var").mkdir()
        self.environment = os.environ | TIMES | self._keys()
        if not self.embedded:
            self._start_servers()
        else:
            self.environment["DATABASE_URL"] = f"sqlite:///{self.directory / 'var' / 'drumbeat.sqlite3'}"
            if self._options.template:
                shutil.copy(self._options.template / "drumbeat.sqlite3", self.directory / "var")
        os.environ.update(self.environment)
        if not self._options.template:
            self.manage("migrate", "--verbosity", "0")
        self.books = Books(self.environment["DATABASE_URL"])
        self.sink = Sink(self.leash, self.directory, self.seed, self.environment)
        self.sink.start()

    def _keys(self) -> dict[str, str]:
        port = quiet_port()
        return {
            "SECRET_KEY": "only-for-tests",
            "DEBUG": "false",
            "ENABLE_EMAIL_SCHEDULER": "true",
            "LOG_LEVEL": "INFO",
            "DATA_DIR": str(self.directory / "var"),
            "SITE_URL": f"http://127.0.0.1:{port}",
            "MAILBOX_PORT": str(quiet_port()),
            # A proxy must not come between us and ourselves.
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONPATH": f"{GUARDS}:{ROOT}",
        }

    def _start_servers(self) -> None:
        programs = servers.find_or_install(["postgres", "redis"])
        template = self._options.template
        self.postgres = Postgres(self.leash, programs["postgres"], self.directory, self.environment)
        self.postgres.create(template / "data" if template else None)
        self.redis = Redis(self.leash, programs["redis"], self.directory, self.environment)
        self.redis.start()
        addresses = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.redis.url}
        self.environment |= {**addresses, "RATE_LIMIT_STORAGE": self.redis.url}

    # --- The engine --------------------------------------------------------------------------------

    def worker(self, concurrency: int = 2) -> Process:
        """A sending process that is started again when it ends: a Celery worker, or the embedded loop."""
        if self.embedded:
            return self._engine("worker", "manage.py", "send_due", "--loop")
        name = f"worker{len(self.crew.members)}@chaos"
        pool = ["--concurrency", str(concurrency), "--hostname", name]
        return self._engine("worker", *celery("worker", *pool))

    def beat(self) -> Process:
        return self._engine("beat", *celery("beat", "--pidfile", ""))

    def engine(self, workers: int) -> list[Process]:
        """The usual engine: workers with two processes each and a beat, or the one embedded worker."""
        if self.embedded:
            return [self.worker()]
        self.beat()
        return [self.worker() for _ in range(workers)]

    def site(self) -> Process:
        """The site behind gunicorn, answering."""
        address = self.environment["SITE_URL"].removeprefix("http://")
        threads = ["--workers", "2", "--threads", "4", "--bind", address]
        site = self._engine("site", "-m", "gunicorn", "config.wsgi", *threads)
        host, port = address.split(":")
        if not wait_for(lambda: _listens(host, int(port)), 60):
            raise servers.Unavailable("The site does not start.")
        return site

    def _engine(self, kind: str, *arguments: str) -> Process:
        log = self.directory / f"{kind}{len(self.crew.members)}.log"
        environment = self.environment | self.engine_environment
        return self.crew.add(Process(self.leash, [PYTHON, *arguments], log, environment))

    def senders(self) -> list[int]:
        """The ids of the processes that may hold a connection to the sink."""
        pids = [member.pid for member in self.crew.members if not member.has_ended()]
        return pids + [child for pid in pids for child in children(pid)]

    def manage(self, *arguments: str) -> None:
        subprocess.run([PYTHON, "manage.py", *arguments], cwd=ROOT, env=self.environment, check=True)

    # --- What happens ------------------------------------------------------------------------------

    def send(self, *campaigns: Campaign, workers: int = 2) -> list[Process]:
        """Set campaigns off and start the usual engine; its workers, when the first mail is out."""
        from campaigns import lifecycle

        for campaign in campaigns:
            lifecycle.activate(campaign)
        self.hang_up()
        crew = self.engine(workers)
        self.wait_for_mails(1, 90)
        return crew

    def hang_up(self) -> None:
        """Give our own database connection back: the database may be about to go away."""
        from django.db import connection

        connection.close()

    def wait_for_mails(self, mails: int, seconds: float) -> None:
        if not wait_for(lambda: self.sink.accepted >= mails, seconds):
            raise TimeLimit(f"{self.sink.accepted} mails after {seconds:.0f} s, not {mails}")

    def resumes(self) -> float:
        """Seconds until work goes on. Called when the last fault ends; raises TimeLimit after a minute."""
        start, before = time.monotonic(), self.sink.accepted
        enough = min(100, self.dose.recipients // 20)
        waiting = self.books.one("SELECT count(*) FROM delivery_sendlog WHERE status = 'queued'")
        if waiting < 2 * enough:
            raise TimeLimit("the campaign was over before the faults were")
        self.wait_for_mails(before + enough, PATIENCE)
        return time.monotonic() - start

    def drain(self, seconds: float = 120, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until every campaign has ended by itself; looks at something `meanwhile`, often."""
        left = "SELECT count(*) FROM campaigns_campaign WHERE status IN ('active', 'paused')"

        def ended() -> bool:
            meanwhile()
            return self.books.one(left) == 0

        if not wait_for(ended, seconds, every=0.25):
            raise TimeLimit(f"a campaign was not done {seconds:.0f} s after the last fault")

    def stop(self) -> None:
        """End the engine in good order: what it still has in hand belongs to the result."""
        self.crew.rest()
        for member in self.crew.members:
            if not member.has_ended():
                member.send(signal.SIGTERM)
        for member in self.crew.members:
            if not member.has_ended():
                member.end(signal.SIGTERM, 20)

    def keep(self, directory: Path) -> None:
        """Leave the logs for whoever wants to know what happened."""
        database = "sqlite" if self.embedded else "postgres"
        kept = directory / f"{self.name}-{database}-{self.seed}"
        kept.mkdir(parents=True, exist_ok=True)
        for log in self.directory.glob("*.log*"):
            shutil.copy(log, kept)
        shutil.copy(self.sink.log, kept)
        rows = self.books.all(
            "SELECT id, email, status, reason, attempts, fence, worker FROM delivery_sendlog"
        )
        (kept / "ledger.txt").write_text("".join(f"{row}\n" for row in rows))


class TimeLimit(Exception):
    """Something did not happen in its time: the test has failed."""


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


@contextmanager
def django_ready(world: World) -> Iterator[None]:
    """Django in this process, on the database of this world, without a connection left open."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    yield
    world.hang_up()
