"""Stage 7: what every transport is to the pipeline, whichever provider stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from delivery.errors.base import Verdict

__all__ = ["Answer", "Leaving", "Mail", "Transport", "Verdict"]

# Takes the id of a row whose mail is about to leave.
Leaving = Callable[[int], None]


class Mail(NamedTuple):
    """One built mail, ready for any transport."""

    row_id: int
    sender_address: str
    recipient: str
    # RFC 5322, lines ended by CRLF, 7-bit: what is this mail's own, then what it shares with others (its
    # attachments), which all of them name and none copies.
    own: bytes
    tail: bytes = b""
    # No line of it begins with a dot, which SMTP would have to double (RFC 5321, 4.5.2).
    dotless: bool = False

    @property
    def message(self) -> bytes:
        """The whole mail; with a tail this is a copy."""
        return self.own + self.tail if self.tail else self.own

    @property
    def size(self) -> int:
        return len(self.own) + len(self.tail)


class Answer(NamedTuple):
    """What became of a mail. `error` is at most 1000 characters and free of credentials."""

    row_id: int
    verdict: Verdict
    provider_id: str = ""
    error: str = ""
    # Seconds, where the provider asks for them.
    retry_after: float | None = None


class Transport(Protocol):
    """One way out, for one thread; what happens on the network is an answer, never an exception."""

    def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
        """Hand mails over, over as many connections as the transport keeps.

        Pulls a mail when a connection is free for it. Calls `leaving(row_id)` before the first byte
        leaves after which the provider could accept the mail, so that at most one mail a connection
        has left and is without an answer; the caller writes that down. Yields exactly one answer for
        each mail pulled, as soon as it is known, in any order. Stops pulling when no further mail
        could leave (UNAVAILABLE, SENDER) and answers what it has pulled. May be called again, and
        keeps its connections.
        """
        ...

    def close(self) -> None:
        """Take leave of the provider. May be repeated; deliver() connects anew."""
        ...


class SenderUnusable(Exception):
    """Nothing can be sent with this sender as it is set; the message says what to change."""
