"""One directory that holds an installation: its database, whole and of one moment, and its files.

The keys are not in it: whoever has both reads everything, and whoever lost the keys reads no password of a
sender. Keep them apart. docs/operating.md describes how to restore.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from audience import audit

# Made anew by itself, or this host's own: a restored installation must ask before it sends.
LEFT_OUT = ("static", "installation.json", "sender.lock", "first-login.txt")
PROGRAMS = {
    "dump": ("pg_dump", "--format=custom", "--no-owner", "--file"),
    "restore": ("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", "--dbname"),
}
# Of what DATABASE_URL may say, what pg_dump takes as well.
PARTS = ("host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey")


class CannotRestore(Exception):
    """The message says why, and what to do."""


class ProgramFailed(Exception):
    """One of PostgreSQL's own programs did not do its work; what it said is on standard error."""


def back_up(target: Path) -> None:
    """Write a backup into a directory that does not exist yet, readable by its owner only.

    Leaves none behind when it fails. Raises FileExistsError and ProgramFailed.
    """
    target.mkdir(mode=0o700, parents=True)
    try:
        _write(target)
    except BaseException:
        shutil.rmtree(target)
        raise
    audit.record("backed up", name=str(target))


def _write(target: Path) -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(target / "database.sqlite3")])
    else:
        _run("dump", str(target / "database.dump"), _database())
    with tarfile.open(target / "data.tar.gz", "w:gz") as archive:
        for path in sorted(Path(settings.DATA_DIR).iterdir()):
            if path.name not in LEFT_OUT and not path.name.startswith("drumbeat.sqlite3"):
                archive.add(path, path.name)


def restore(source: Path) -> None:
    """Fill an empty database and DATA_DIR from a backup. Raises CannotRestore when there is something,
    and ProgramFailed.
    """
    if connection.introspection.table_names():
        raise CannotRestore("The database is not empty. Name a new one in DATABASE_URL.")
    name = "database.sqlite3" if connection.vendor == "sqlite" else "database.dump"
    if not (source / name).exists():
        raise CannotRestore(f"There is no {name} in {source}: it is a backup of another kind of database.")
    if connection.vendor == "sqlite":
        connection.close()
        for left in Path(str(connection.settings_dict["NAME"])).parent.glob(
            f"{Path(str(connection.settings_dict['NAME'])).name}-*"
        ):
            left.unlink()
        shutil.copyfile(source / name, connection.settings_dict["NAME"])
    else:
        _run("restore", _database(), str(source / name))
    with tarfile.open(source / "data.tar.gz") as archive:
        try:
            archive.extractall(settings.DATA_DIR, filter="data")
        except tarfile.FilterError as error:
            raise CannotRestore(
                f"data.tar.gz is no backup of ours: {error}. Look where it comes from."
            ) from error


def _database() -> str:
    """What we connect to, wherever DATABASE_URL names its parts. Without the password, which goes by the
    environment: arguments are seen by everybody on a host.
    """
    parts = connection.get_connection_params()
    return make_conninfo(**{name: parts[name] for name in PARTS if parts.get(name)})


def _run(what: str, *arguments: str) -> None:
    password = str(connection.settings_dict["PASSWORD"] or "")
    environment = os.environ | ({"PGPASSWORD": password} if password else {})
    program = PROGRAMS[what][0]
    try:
        subprocess.run([*PROGRAMS[what], *arguments], env=environment, check=True)  # noqa: S603 - our own words
    except FileNotFoundError as error:
        raise ProgramFailed(f"There is no {program} here. Install PostgreSQL's client programs.") from error
    except subprocess.CalledProcessError as error:
        raise ProgramFailed(f"{program} failed; what it said stands above.") from error
