"""A backup is restored into an empty installation, whole, and sends nothing before somebody confirms."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as site
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from audience.models import Customer
from delivery import backups, installation
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a second installation, with an empty database."""
    second = tmp_path / "second"
    second.mkdir()
    environment = os.environ | {"DATA_DIR": str(second)}
    if connection.vendor == "sqlite":
        yield environment | {"DATABASE_URL": f"sqlite:///{second / 'drumbeat.sqlite3'}"}
        return
    if shutil.which("pg_dump") is None:
        pytest.skip("No pg_dump on this machine.")
    name = f"{connection.settings_dict['NAME']}_restored"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
        yield environment | {"DATABASE_URL": url}
        cursor.execute(f"DROP DATABASE {name}")


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=site.BASE_DIR, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_was_backed_up_is_there_again_and_waits_for_a_person(
    empty: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_DIR = tmp_path / "first"
    (settings.DATA_DIR / "imports").mkdir(parents=True)
    (settings.DATA_DIR / "imports" / "list.csv").write_text("email\n")
    monkeypatch.setattr(installation, "_found", (float("-inf"), ""))
    CustomerFactory(email="kept@example.com")
    assert not installation.unconfirmed()
    call_command("backup", str(tmp_path / "backup"))
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    with tarfile.open(tmp_path / "backup" / "data.tar.gz") as archive:
        # On the same host, too, it has to ask.
        assert "installation.json" not in archive.getnames()
    manage(empty, "restore", str(tmp_path / "backup"))
    said = manage(
        empty, "shell", "-v0", "-c", "from audience.models import Customer; print(*Customer.objects.all())"
    )
    assert "kept@example.com" in said
    assert (tmp_path / "second" / "imports" / "list.csv").exists()
    assert "copy" in manage(empty, "confirm_installation")
    manage(empty, "confirm_installation", "--yes")
    assert "Nothing to confirm" in manage(empty, "confirm_installation")


def test_nothing_is_restored_over_what_is_there(tmp_path: Path) -> None:
    CustomerFactory()
    with pytest.raises(CommandError, match="not empty"):
        call_command("restore", str(tmp_path))
    assert Customer.objects.count() == 1


def test_a_backup_overwrites_and_removes_no_other(tmp_path: Path) -> None:
    (tmp_path / "database.dump").write_text("of yesterday")
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup", str(tmp_path))
    assert (tmp_path / "database.dump").read_text() == "of yesterday"


def test_a_backup_that_breaks_off_leaves_nothing(tmp_path: Path, settings: Settings) -> None:
    settings.DATA_DIR = tmp_path / "gone"
    with pytest.raises(FileNotFoundError):
        call_command("backup", str(tmp_path / "backup"))
    assert not (tmp_path / "backup").exists()


def test_no_file_of_a_backup_is_written_outside_of_the_data(
    empty: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path / "first"
    settings.DATA_DIR.mkdir()
    call_command("backup", str(tmp_path / "backup"))
    (tmp_path / "evil").write_text("*/1 * * * * evil")
    with tarfile.open(tmp_path / "backup" / "data.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "evil", "../planted")
    with pytest.raises(AssertionError, match="no backup of ours"):
        manage(empty, "restore", str(tmp_path / "backup"))
    assert not (tmp_path / "planted").exists()


def test_a_backup_that_fails_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite needs no program of its own.")
    monkeypatch.setitem(backups.PROGRAMS, "dump", ("false",))
    with pytest.raises(CommandError, match="false failed"):
        call_command("backup", str(tmp_path / "backup"))
    assert not (tmp_path / "backup").exists()
