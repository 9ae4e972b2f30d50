"""What every test stands on. PostgreSQL and Redis come from tests/servers.py."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

if TYPE_CHECKING:
    from campaigns.models import Campaign
    from tests.world import World

TESTS = Path(__file__).parent
# What would show the same on both databases: the one run of `make test` that it is in.
IN_ONE_RUN = {
    TESTS / "browser": "Browser",
    TESTS / "api" / "test_schemathesis.py": "Browser",
    TESTS / "test_attacks.py": "Browser",
    TESTS / "test_workspace_wall.py": "Browser",
    TESTS / "api" / "test_wall.py": "PostgreSQL",
    TESTS / "audience" / "accounts" / "test_second_factor.py": "PostgreSQL",
    TESTS / "delivery" / "test_connecting.py": "PostgreSQL",
    TESTS / "delivery" / "test_take_report.py": "PostgreSQL",
    TESTS / "test_bench.py": "SQLite",
    TESTS / "delivery" / "test_demo.py": "SQLite",
    TESTS / "delivery" / "test_hooks.py": "SQLite",
    TESTS / "delivery" / "test_inbound_samples.py": "SQLite",
    TESTS / "test_every_page.py": "PostgreSQL",
    TESTS / "test_logs.py": "PostgreSQL",
    TESTS / "test_roles.py": "SQLite",
    TESTS / "test_translations.py": "SQLite",
}
# What a page says is the same as well; test_roles.py asks for all of them on SQLite.
ABOUT_PAGES = re.compile(r"test_(admin|compose|site)_|_(admin|pages?)\.py$")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    run = os.environ.get("SUITE_RUN")
    return True if run and _only_run(collection_path) not in (None, run) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to each run what is its own; what asks no database is in SQLite's, but for the files here."""
    run = os.environ.get("SUITE_RUN")
    kept = items
    if run == "Browser":
        kept = [item for item in items if _only_run(item.path) == run]
    elif run == "PostgreSQL":
        kept = [item for item in items if _is_for_postgresql(item)]
    config.hook.pytest_deselected(items=list(set(items).difference(kept)))
    items[:] = kept


def _only_run(path: Path) -> str | None:
    """The one run that a test file, or a folder of them, is in; None: in each."""
    named = IN_ONE_RUN.get(path) or IN_ONE_RUN.get(path.parent)
    return named or ("PostgreSQL" if ABOUT_PAGES.search(path.name) else None)


def _is_for_postgresql(item: pytest.Item) -> bool:
    return item.path.parent == TESTS or _only_run(item.path) == "PostgreSQL" or _asks_database(item)


def _asks_database(item: pytest.Item) -> bool:
    asked = {"db", "transactional_db"}.intersection(getattr(item, "fixturenames", ()))
    return bool(asked) or item.get_closest_marker("django_db") is not None


def pytest_configure() -> None:
    # In a file, where threads and other processes can open it; Django's default is in memory.
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(settings.DATA_DIR / "test.sqlite3")
    # As a site's process has them; the tests' parameters are collected from the admin's pages.
    import_module(settings.ROOT_URLCONF)
    # WhiteNoise warns when collectstatic has not run, and a warning is an error here.
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let tests with threads and processes empty the database quickly, and the audit log at all."""
    connection.ops.sql_flush = _sql_flush
    if connection.vendor == "sqlite":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER IF EXISTS audit_no_DELETE")


# Which refuses DELETE, and whose plans tests read: they must find the table as if it were new.
TRUNCATED = {"audience_auditentry", "delivery_sendlog"}
# What migrations wrote, and would write again after each test.
KEPT = {"django_content_type", "auth_permission"}


def _sql_flush(style: Any, tables: list[str], **_: bool) -> list[str]:
    """Empty the tables that are filled: to TRUNCATE a hundred empty ones takes a third of a second."""
    quote = connection.ops.quote_name
    probes = [f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quote(name)})" for name in tables]  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(probes))
        filled = {name for (name,) in cursor.fetchall()} - KEPT
    truncated = filled & TRUNCATED if connection.vendor == "postgresql" else set()
    return [f"{'TRUNCATE' if name in truncated else 'DELETE FROM'} {quote(name)}" for name in filled]


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    """Keep a time zone that a page has activated out of the next test."""
    yield
    timezone.deactivate()


@pytest.fixture
def world(db: None, settings: Settings, tmp_path: Path) -> World:
    # The admin's modules, which it needs, come with the site's URLs.
    from tests.world import make_world

    return make_world(settings, tmp_path)


@pytest.fixture
def elsewhere(world: World) -> Campaign:
    """A draft in the other workspace."""
    from tests.factories import CampaignFactory

    made: Campaign = CampaignFactory(workspace=world.other)
    return made


@pytest.fixture
def redis_url() -> str:
    """The Redis of this run. It may be somebody's own: use keys that are yours, never flush it."""
    if "REDIS_URL" not in os.environ:
        pytest.skip("No Redis: run this with `make test`, or under tests/servers.py --redis.")
    return str(settings.REDIS_URL)


@pytest.fixture
def child_environment(transactional_db: None) -> dict[str, str]:
    """The environment in which another process works on the test database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return os.environ | {"DATABASE_URL": url}
