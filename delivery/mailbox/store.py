"""What the local mailbox has received: one SQLite file of its own, written by its server, read by the site.

It is apart from the ledger's database on purpose: what was really received is counted here, not from
what the sender believed.
"""

from __future__ import annotations

import email.errors
import email.header
import json
import re
import sqlite3
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

PAGE_SIZE = 50
BUSY_SECONDS = 30

# The body stands last, so that SQLite lists messages without reading it. AUTOINCREMENT: an id that a
# ledger row remembers is never given to another message, not even after clear().
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at REAL NOT NULL,
    campaign_id INTEGER NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL COLLATE NOCASE,
    subject TEXT NOT NULL,
    size INTEGER NOT NULL,
    raw BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS message_campaign ON message (campaign_id, recipient);
"""
INSERT = """
INSERT INTO message (received_at, campaign_id, sender, recipient, subject, size, raw)
VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
COLUMNS = "id, received_at, campaign_id, sender, recipient, subject, size"
# Every message, or those of the given campaigns only.
VISIBLE = "(:campaigns IS NULL OR campaign_id IN (SELECT value FROM json_each(:campaigns)))"
SEARCH = f"""
SELECT {COLUMNS} FROM message
WHERE {VISIBLE} AND (recipient LIKE :like ESCAPE '\\' OR subject LIKE :like ESCAPE '\\')
ORDER BY id DESC LIMIT :limit OFFSET :offset
"""  # noqa: S608 - constants only
FIND = f"SELECT {COLUMNS}, raw FROM message WHERE id = :id AND {VISIBLE}"  # noqa: S608 - constants only
# A header's value runs on over lines that begin with white space (RFC 5322, 2.2.3).
SUBJECT = re.compile(rb"^subject:(.*(?:\r?\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)
CAMPAIGN = re.compile(rb"^feedback-id:\s*(\d{1,18}):", re.IGNORECASE | re.MULTILINE)


class Message(NamedTuple):
    """A received message without its text; `find` has that."""

    id: int
    received_at: datetime
    campaign_id: int
    sender: str
    recipient: str
    subject: str
    size: int


class Page(NamedTuple):
    """One page of a search, newest first."""

    messages: list[Message]
    has_next: bool


class MailboxStore:
    """The messages, for any number of threads and processes at once.

    Each method is one statement that commits by itself, so threads may share an instance. A forked
    process needs its own.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._db.executescript(SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. May be repeated."""
        self._db.close()

    def add(self, recipient: str, sender: str, raw: bytes) -> int:
        """Keep a message for one recipient and return its id; it is committed when this returns.

        The campaign is read from the message's Feedback-ID; 0 stands for none.
        """
        head = raw.partition(b"\r\n\r\n")[0]
        campaign = CAMPAIGN.search(head)
        values = (
            datetime.now(UTC).timestamp(),
            int(campaign[1]) if campaign else 0,
            sender,
            recipient,
            _subject(head),
            len(raw),
            raw,
        )
        return int(self._db.execute(INSERT, values).fetchone()[0])

    def count(self, campaign_id: int | None = None) -> int:
        """How many messages there are, of one campaign or of all."""
        return self._number("SELECT count(*) FROM message", campaign_id)

    def duplicates(self, campaign_id: int) -> int:
        """How many messages too many a campaign's recipients got, all counted together."""
        return self._number("SELECT count(*) - count(DISTINCT recipient) FROM message", campaign_id)

    def recipients(self, campaign_id: int) -> Iterator[str]:
        """Each address that got a mail of the campaign, once, in order."""
        sql = "SELECT DISTINCT recipient FROM message WHERE campaign_id = ? ORDER BY recipient"
        return (row[0] for row in self._db.execute(sql, [campaign_id]))

    def search(self, text: str = "", page: int = 1, campaigns: Collection[int] | None = None) -> Page:
        """Messages with the text in their recipient or subject; page 1 is the newest.

        `campaigns` are the ids of those whose messages may be seen; None: all, tests included.
        """
        like = "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
        values = {"like": like, "limit": PAGE_SIZE + 1, "offset": (page - 1) * PAGE_SIZE}
        rows = self._db.execute(SEARCH, values | _visible(campaigns)).fetchall()
        return Page([_message(row) for row in rows[:PAGE_SIZE]], has_next=len(rows) > PAGE_SIZE)

    def find(self, message_id: int, campaigns: Collection[int] | None = None) -> tuple[Message, bytes] | None:
        """A message and its source as it was received; None when there is none that may be seen."""
        row = self._db.execute(FIND, {"id": message_id} | _visible(campaigns)).fetchone()
        return (_message(row[:-1]), row[-1]) if row else None

    def forget(self, campaign_id: int) -> None:
        """Throw away what a campaign of an earlier database with the same id has left here."""
        self._db.execute("DELETE FROM message WHERE campaign_id = ?", [campaign_id])

    def forget_recipient(self, address: str) -> int:
        """Throw away what one address got; how many messages."""
        return self._db.execute("DELETE FROM message WHERE lower(recipient) = ?", [address]).rowcount

    def clear(self) -> None:
        """Throw all messages away."""
        self._db.execute("DELETE FROM message")

    def _number(self, sql: str, campaign_id: int | None) -> int:
        where, values = ("", []) if campaign_id is None else (" WHERE campaign_id = ?", [campaign_id])
        return int(self._db.execute(sql + where, values).fetchone()[0])


def _visible(campaigns: Collection[int] | None) -> dict[str, str | None]:
    return {"campaigns": None if campaigns is None else json.dumps(sorted(campaigns))}


def _message(row: tuple[Any, ...]) -> Message:
    id_, received_at, *rest = row
    return Message(id_, datetime.fromtimestamp(received_at, UTC), *rest)


def _subject(head: bytes) -> str:
    """The decoded subject; one that is broken is shown as it came, since a mailbox takes everything."""
    found = SUBJECT.search(head)
    text = " ".join(found[1].decode("utf-8", "replace").split()) if found else ""
    if "=?" not in text:
        return text
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (email.errors.HeaderParseError, LookupError, UnicodeError):
        return text
