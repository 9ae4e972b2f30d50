"""A server that takes connections and says nothing: what a page must not wait for."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers import answers, find_redis, free_port


@contextmanager
def frozen_redis() -> Iterator[str]:
    """A real Redis, stopped by a signal; its REDIS_URL."""
    program = find_redis()
    if program is None:
        pytest.skip("No Redis on this machine: `make test` installs it.")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            assert answers(process, port)
            process.send_signal(signal.SIGSTOP)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
