"""The processes of a fault test: started, broken and ended by their ids, and never left behind.

Reads /proc, so fault tests need Linux.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
PROCFILE = ROOT / "Procfile"
# Seconds between two looks at whether a minded process has ended.
MIND_EVERY = 0.2


class Leash:
    """A keeper process that ends ours, and removes their files, when this process is gone, however.

    It reads "+id" and "-id" from a pipe until that closes. Each of ours leads a process group.
    """

    def __init__(self, directory: Path) -> None:
        leash, self._our_end = os.pipe()
        self._keeper = os.fork()
        if self._keeper == 0:
            os.close(self._our_end)
            os._exit(_keep(leash, directory))
        os.close(leash)

    def note_this(self) -> None:
        """To be called by a new process before it becomes its program.

        Were it for whoever starts it to say, one that is started while we go would be nobody's.
        """
        os.write(self._our_end, b"+%d\n" % os.getpid())

    def forget(self, pid: int) -> None:
        os.write(self._our_end, b"-%d\n" % pid)

    def let_go(self) -> None:
        """End everything that is left, and wait until it is gone."""
        os.close(self._our_end)
        os.waitpid(self._keeper, 0)


def _keep(leash: int, directory: Path) -> int:
    # Out of the terminal's reach: Ctrl-C ends the test, and then this.
    os.setsid()
    kept: set[int] = set()
    with os.fdopen(leash) as orders:
        for order in orders:
            (kept.add if order[0] == "+" else kept.discard)(int(order[1:]))
    # PostgreSQL's own processes are in groups of their own: SIGQUIT has it end them.
    for number, patience in ((signal.SIGQUIT, 1.0), (signal.SIGKILL, 0)):
        for pid in kept:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGCONT)
                os.killpg(pid, number)
        time.sleep(patience if kept else 0)
    shutil.rmtree(directory, ignore_errors=True)
    return 0


class Process:
    """One program that can be started again after it has ended."""

    def __init__(
        self,
        leash: Leash,
        command: Sequence[str | Path],
        log: Path,
        environment: dict[str, str],
        **options: Any,
    ) -> None:
        self._leash = leash
        self._command = command
        self._log = log
        self._environment = environment
        self._options = {"cwd": ROOT, **options}
        self._popen: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with self._log.open("a") as log:
            self._popen = subprocess.Popen(  # noqa: PLW1509 - one system call is safe beside threads
                self._command,
                env=self._environment,
                stderr=log,
                text=True,
                start_new_session=True,
                preexec_fn=self._leash.note_this,
                **{"stdout": log, "stdin": subprocess.DEVNULL, **self._options},
            )

    @property
    def popen(self) -> subprocess.Popen[str]:
        assert self._popen, "not started"
        return self._popen

    @property
    def pid(self) -> int:
        return self.popen.pid

    def has_ended(self) -> bool:
        """Whether it has; then its id is free for others, and the keeper must not know it any more."""
        if self._popen is None:
            return True
        if self._popen.poll() is None:
            return False
        self._leash.forget(self._popen.pid)
        return True

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def end(self, number: int = signal.SIGKILL, seconds: float = 30) -> None:
        """Send a signal and wait; SIGKILL for one that does not obey."""
        self.send(number)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.has_ended()


class Crew:
    """Processes that are started again when they end, as a process manager does."""

    def __init__(self) -> None:
        self.members: list[Process] = []
        self.restarts = 0
        self._resting = threading.Event()
        self._thread = threading.Thread(target=self._mind, daemon=True)

    def add(self, member: Process) -> Process:
        member.start()
        self.members.append(member)
        if not self._thread.is_alive():
            self._thread.start()
        return member

    def rest(self) -> None:
        """Start nothing again from here on."""
        self._resting.set()
        if self._thread.is_alive():
            self._thread.join()

    def _mind(self) -> None:
        while not self._resting.wait(MIND_EVERY):
            for member in self.members:
                if member.has_ended():
                    self.restarts += 1
                    member.start()


def celery(process: str, *options: str, app: str = "config") -> list[str]:
    """Arguments for Python that start a Celery process as the Procfile does, with more options."""
    lines = dict(line.split(": ", 1) for line in PROCFILE.read_text().splitlines())
    return ["-m", *shlex.split(lines[process].replace("--app config", f"--app {app}")), *options]


# --- What /proc knows ----------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still live."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def connections(pid: int, port: int) -> int:
    """How many connections to a port of this machine a process has open."""
    ours = _sockets_to(port)
    return sum(inode in ours for inode in _sockets_of(pid))


def owner(local_port: int, port: int, among: Sequence[int]) -> int | None:
    """The process, among these, that holds the connection from a local port to a port."""
    inodes = {inode for inode, local in _sockets_to(port).items() if local == local_port}
    return next((pid for pid in among if inodes & set(_sockets_of(pid))), None)


def _sockets_to(port: int) -> dict[str, int]:
    """Inode -> local port of the open connections to a port."""
    established, found = "01", {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_, inode = line.split()[:10]
        if state == established and int(remote.split(":")[1], 16) == port:
            found[inode] = int(local.split(":")[1], 16)
    return found


def _sockets_of(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(fd.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]


def memory(pid: int) -> int:
    """The most memory a process has had, in MB; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) // 1024
    return 0


def wait_for(condition: Callable[[], object], seconds: float, every: float = 0.05) -> bool:
    """Whether the condition comes true within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
