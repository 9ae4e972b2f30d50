"""Sinks as processes, what they count, and what they have on record."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests import servers
from tests.bench import postfix
from tests.bench.world import World
from tests.chaos.processes import PYTHON, Process, wait_for
from tests.chaos.servers import quiet_port

RECIPIENT = b"X-Rcpt-Args: <"


class Sink:
    """smtp-sink, or ours where it is missing. With `recorded` it keeps every mail, at a price."""

    def __init__(
        self, world: World, *, recorded: bool = False, latency: float = 0, ours: bool = False
    ) -> None:
        number = len(list(world.directory.glob("sink*.out")))
        self.out = world.directory / f"sink{number}.out"
        self.record = world.directory / f"record{number}"
        self._file = self.out.open("wb")
        self._world = world
        found = None if ours else postfix.programs()
        self.name = "smtp-sink" if found else "our sink"
        if found:
            self._start_postfix(found, recorded)
        else:
            self._start_ours(latency, recorded)

    def _start_postfix(self, found: postfix.Programs, recorded: bool) -> None:
        self.port = quiet_port()
        command: list[str | Path] = [found.sink, "-c"]
        if os.geteuid() == 0:
            command += ["-u", pwd.getpwuid(self._world.directory.stat().st_uid).pw_name]
        command += ["-D", str(self.record)] if recorded else []
        command += [f"127.0.0.1:{self.port}", "1000"]
        self._process = Process(
            self._world.leash, command, self.out, os.environ | found.environment, stdout=self._file
        )
        self._process.start()
        if not wait_for(lambda: _listens(self.port), 10):
            raise servers.Unavailable(self.out.read_text())

    def _start_ours(self, latency: float, recorded: bool) -> None:
        record = str(self.record) if recorded else "-"
        command = [PYTHON, "-m", "tests.bench.sink", str(latency), record]
        self._process = Process(
            self._world.leash, command, self.out, dict(os.environ), stdout=self._file, stdin=subprocess.PIPE
        )
        self._process.start()
        wait_for(lambda: b"]" in self.out.read_bytes(), 20)
        self.port, self.http_port = json.loads(self.out.read_text().splitlines()[0])

    def close(self) -> int:
        """End it; how many mails it has taken by its own count."""
        popen = self._process.popen
        if popen.stdin:
            popen.stdin.close()
            popen.wait(30)
            self._process.has_ended()
        else:
            self._process.end(15)
        self._file.close()
        counts = re.findall(rb"mesg=(\d+)", self.out.read_bytes())
        return int(counts[-1]) if counts else 0

    def mails(self) -> Iterator[tuple[str, bytes]]:
        """Every mail on record: its recipient, and the message as it was sent with lines ending in LF."""
        recipient, lines, in_head = "", list[bytes](), True
        with self.record.open("rb") as record:
            for row in record:
                if row.startswith(RECIPIENT):
                    if not in_head:
                        yield recipient, b"".join(lines)
                    recipient, lines, in_head = row[len(RECIPIENT) : row.index(b">")].decode(), [], False
                elif not in_head and not row.startswith((b"X-Client-", b"X-Helo-", b"X-Mail-")):
                    lines.append(row)
        if not in_head:
            yield recipient, b"".join(lines)


def smtp_source(port: int, mails: int, size: int) -> float:
    """Mails a second of smtp-source -s 32 -d; raises where there is none."""
    found = postfix.programs()
    if found is None:
        raise servers.Unavailable("There is no smtp-source to compare with.")
    envelope = ["-f", "news@acme.example", "-t", "customer@example.com"]
    what = ["-s", "32", "-d", "-m", str(mails), "-l", str(size), *envelope]
    begun = time.perf_counter()
    command = [found.source, *what, f"127.0.0.1:{port}"]
    subprocess.run(command, env=os.environ | found.environment, check=True, capture_output=True)
    return mails / (time.perf_counter() - begun)


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
