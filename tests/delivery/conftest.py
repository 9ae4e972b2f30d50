"""What the pipeline's tests share: a local mailbox, and campaigns at the stages that they start from."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from audience import clock
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery import browser
from delivery.fill import fill_page
from delivery.mailbox.server import Mailbox
from delivery.mailbox.store import MailboxStore
from tests.factories import CampaignFactory, CustomerFactory
from tests.flows import START


@pytest.fixture(autouse=True)
def own_data_dir(settings: Settings, tmp_path: Path) -> None:
    """Journals, locks and counted mails of one test are nobody else's."""
    settings.DATA_DIR = tmp_path
    settings.RATE_LIMIT_STORAGE = f"memory://{tmp_path}"
    settings.MAILBOX_PATH = tmp_path / "mailbox.sqlite3"
    # What a test rolls back, the next one makes with the same ids.
    browser._frozen.cache_clear()


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[MailboxStore]:
    """A running local mailbox on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.MAILBOX_PORT = free.getsockname()[1]
    server = Mailbox(settings.MAILBOX_HOST, settings.MAILBOX_PORT, settings.MAILBOX_PATH)
    server.start()
    with MailboxStore(settings.MAILBOX_PATH) as store:
        yield store
    server.stop()


@pytest.fixture
def active_campaign(db: None) -> Callable[..., Campaign]:
    """An active campaign to so many subscribed customers; `filled` gives them their ledger rows."""

    def make(customers: int = 3, *, filled: bool = True, **columns: Any) -> Campaign:
        CustomerFactory.create_batch(customers)
        campaign = CampaignFactory(**columns)
        lifecycle.activate(campaign)
        while filled and fill_page(campaign):
            pass
        return campaign

    return make


@pytest.fixture
def begun(mailbox: MailboxStore) -> Iterator[None]:
    """The clock stands at the start of the tests of flows."""
    with clock.at(START):
        yield
