"""A real browser on a running site, for what only shows when everything works together."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.delivery.conftest import mailbox, own_data_dir
from tests.factories import UserFactory
from tests.servers import find_chromium

__all__ = ["mailbox", "own_data_dir"]

CHROMIUM = find_chromium()
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 20_000  # milliseconds; the machine may be busy


def reload_until(page: Page, text: str) -> None:
    """Look again and again at a page that does not change by itself."""
    end = time.monotonic() + PATIENCE / 1000
    while page.get_by_text(text).count() == 0:
        assert time.monotonic() < end, f"{text!r} never came"
        page.reload()


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("No Chromium on this machine: `make test` installs it.")
    # Playwright keeps an event loop in this thread, beside which Django refuses to use the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()
        # Beside an event loop Django keeps connections of its own, which nothing else closes.
        connections.close_all()


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> str:
    """The address of the running site, which links in mails lead to as well."""
    settings.SITE_URL = live_server.url
    return str(live_server.url)


@pytest.fixture
def page(browser: Browser, site: str) -> Page:
    """A superuser's browser, logged in by hand."""
    user = UserFactory(username="ada", is_superuser=True, email="ada@example.org")
    user.set_password("a long pass phrase")
    user.save(update_fields=["password"])
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{site}/admin/login/")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "a long pass phrase")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "login" not in url)
    return page
