"""tests/servers.py: the servers are there for the command, and nothing is left of them after it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

SERVERS = [sys.executable, str(Path(__file__).with_name("servers.py"))]
# A command that says where the servers are and stays until its input ends.
SAY_AND_STAY = [
    sys.executable,
    "-c",
    "import json, os, sys;"
    "print(json.dumps([os.environ['DATABASE_URL'], os.environ['REDIS_URL']]), flush=True);"
    "sys.stdin.read()",
]


@pytest.fixture
def bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}


def redis_answers(url: str) -> bool:
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
    except OSError:
        return False


@pytest.mark.parametrize("ending", [None, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_it_ends(
    bare_environment: dict[str, str], ending: signal.Signals | None
) -> None:
    command = [*SERVERS, "--postgres", "--redis", "--", *SAY_AND_STAY]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=bare_environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        database_url, redis_url = json.loads(process.stdout.readline())
        directory = Path(parse_qs(urlsplit(database_url).query)["host"][0])
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SELECT lower('ÄÖ')").fetchone() == ("äö",)
        assert redis_answers(redis_url)
        if ending:
            process.send_signal(ending)
            process.wait(timeout=60)
        # Closes the command's input, and reads until the keeper, who has the same output, has ended.
        process.communicate()

    assert process.returncode == {None: 0, signal.SIGTERM: 128 + 15, signal.SIGKILL: -9}[ending]
    assert not directory.exists()
    assert not redis_answers(redis_url)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database_url)


def test_the_exit_code_is_the_commands() -> None:
    assert subprocess.run([*SERVERS, "--", "sh", "-c", "exit 7"]).returncode == 7


def test_given_servers_are_used_as_they_are(bare_environment: dict[str, str]) -> None:
    given = {"DATABASE_URL": "postgres://me@elsewhere/mine", "REDIS_URL": "redis://elsewhere/3"}
    command = [*SERVERS, "--postgres", "--redis", "--", *SAY_AND_STAY]
    done = subprocess.run(
        command, env=bare_environment | given, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    assert json.loads(done.stdout) == list(given.values())


def test_a_server_that_cannot_be_had_is_named(bare_environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*SERVERS, "--redis", "--", "true"],
        env=bare_environment | {"PATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1
    assert "Please install redis" in done.stderr
    assert "set DATABASE_URL and REDIS_URL" in done.stderr
