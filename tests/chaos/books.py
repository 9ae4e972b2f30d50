"""The database of a world, read past the product: what the oracle believes."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import psycopg


class Books:
    """Asks the database, anew when it was away."""

    def __init__(self, url: str) -> None:
        self.is_postgresql = url.startswith("postgres")
        self._url = url
        self._connection: Any = None

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            return list(self._open().execute(sql).fetchall())
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.close()
            return list(self._open().execute(sql).fetchall())

    def one(self, sql: str) -> Any:
        return self.all(sql)[0][0]

    def do(self, script: str) -> None:
        """Run statements that change something."""
        if self.is_postgresql:
            self._open().execute(script)
        else:
            self._open().executescript(script)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _open(self) -> Any:
        if self._connection is None:
            if self.is_postgresql:
                self._connection = psycopg.connect(self._url, autocommit=True)
            else:
                self._connection = sqlite3.connect(self._url.removeprefix("sqlite:///"), timeout=30)
                self._connection.isolation_level = None
        return self._connection
