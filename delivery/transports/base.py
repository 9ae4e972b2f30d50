"""Stage 7: what every transport is to the pipeline, whichever provider stands behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from delivery.errors import Verdict

__all__ = ["Answer", "Mail", "Transport", "Verdict"]


@dataclass(frozen=True, slots=True)
class Mail:
    """One built mail, ready for any transport."""

    row_id: int
    sender_address: str
    recipient: str
    # RFC 5322, lines ended by CRLF, 7-bit.
    message: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a mail. `error` is at most 1000 characters and free of credentials."""

    row_id: int
    verdict: Verdict
    provider_id: str = ""
    error: str = ""
    # Seconds, where the provider asks for them.
    retry_after: float | None = None


class Transport(Protocol):
    def deliver(self, mails: Iterator[Mail]) -> Iterator[Answer]:
        """Hand the mails over one after another.

        Pulls a mail only when it is about to leave (pulling is what the caller journals) and yields
        exactly one answer for each mail pulled, as soon as it is known. Whatever the network does is
        an answer, never an exception. Stops pulling when no further mail could leave: the provider
        cannot be reached, or the sender is refused. May be called again, and keeps its connection.
        """
        ...

    def close(self) -> None:
        """Take leave of the provider. May be repeated; deliver() connects anew."""
        ...
