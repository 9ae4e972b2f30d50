"""What the tests of the API share."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from delivery.mailbox.server import Mailbox


@pytest.fixture(autouse=True)
def own_data_dir(settings: Settings, tmp_path: Path) -> None:
    """Files and counted requests of one test are nobody else's."""
    settings.DATA_DIR = tmp_path
    settings.RATE_LIMIT_STORAGE = f"memory://{tmp_path}"
    settings.MAILBOX_PATH = tmp_path / "mailbox.sqlite3"


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[None]:
    """A running local mailbox on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.MAILBOX_PORT = free.getsockname()[1]
    server = Mailbox(settings.MAILBOX_HOST, settings.MAILBOX_PORT, settings.MAILBOX_PATH)
    server.start()
    yield
    server.stop()
