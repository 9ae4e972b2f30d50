"""Stage 7 over SMTP: many connections in one loop, and no doubt about where an error happened."""

from __future__ import annotations

from collections.abc import Iterator

from delivery.transports.base import Answer, Leaving, Mail
from delivery.transports.smtp.delivery import Delivery
from delivery.transports.smtp.opening import Server, check
from delivery.transports.smtp.pool import Pool

__all__ = ["Server", "SmtpTransport", "check"]


class SmtpTransport:
    """Hands mails to one SMTP server; see delivery.transports.base.Transport. For one thread."""

    def __init__(self, server: Server, connections: int = 1) -> None:
        self._server = server
        self._connections = connections
        self._pool: Pool | None = None

    def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
        self._pool = self._pool or Pool(self._server, self._connections)
        self._pool.drop_silent()
        yield from Delivery(self._pool, mails, leaving).run()

    def close(self) -> None:
        if self._pool:
            self._pool.close()
            self._pool = None
