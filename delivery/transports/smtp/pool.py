"""The connections of one SMTP transport: those that stand, those being opened, and how many there may be."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator

from delivery.errors.smtp import Problem
from delivery.transports.smtp import patience
from delivery.transports.smtp.connection import Connection
from delivery.transports.smtp.opening import Opening, Server


class Pool:
    """For one thread; only `_done` is called by others."""

    def __init__(self, server: Server, most: int) -> None:
        # The one used last is taken first, so that those that are not needed grow old.
        self.idle: list[Connection] = []
        self.busy: set[Connection] = set()
        # Why the latest attempt to open one failed.
        self.problem: Problem | None = None
        self._server = server
        self._most = most
        # The server took no more than this many, and is not asked again before then.
        self._limit, self._limit_until = most, 0.0
        self._selector = selectors.DefaultSelector()
        self._openings: set[Opening] = set()
        self._done_openings: deque[Opening] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._bell, self._ring = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)

    @property
    def standing(self) -> int:
        return len(self.idle) + len(self.busy)

    @property
    def opening(self) -> int:
        return len(self._openings)

    def open_another(self) -> None:
        """Begin to open a connection, if there may be one more.

        The first must stand before others are tried, then as many at a time as stand already.
        """
        limit = self._limit if time.monotonic() < self._limit_until else self._most
        if self.opening < max(self.standing, 1) and self.standing + self.opening < max(limit, 1):
            self.problem = None
            self._openings.add(Opening(self._server, self._done))

    def wait(self, seconds: float) -> Iterator[tuple[Connection, int]]:
        """Connections on which something can be done, with the selector's events."""
        for key, events in self._selector.select(seconds):
            if key.data is None:
                self._bell.recv(64)
                self._take_in()
            else:
                yield key.data, events

    def end_overdue_openings(self) -> None:
        for opening in list(self._openings):
            opening.end_if_overdue()

    def take(self) -> Connection:
        """An idle connection, busy from now on."""
        connection = self.idle.pop()
        self.busy.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Let a connection rest that has nothing to do any more."""
        if connection in self.busy:
            self.busy.remove(connection)
            self.idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Close a connection without a word."""
        self.busy.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        connection.close()

    def drop_busy(self) -> None:
        for connection in list(self.busy):
            self.drop(connection)

    def drop_silent(self) -> None:
        """Take leave of connections that have been silent for too long to be trusted."""
        oldest = time.monotonic() - patience.IDLE_SECONDS
        for connection in [each for each in self.idle if each.heard_at <= oldest]:
            connection.quit()
            self.drop(connection)

    def note_limit(self) -> None:
        """Go on with the connections that stand, since the server takes no more, and ask later again."""
        if self.standing:
            self._limit, self._limit_until = self.standing, time.monotonic() + patience.LIMIT_SECONDS

    def close(self) -> None:
        """Say good-bye on all connections, in bounded time. The pool is of no use afterwards."""
        with self._lock:
            self._closed = True
        self.drop_busy()
        self._take_in()
        for connection in self.idle:
            connection.quit()
        deadline = time.monotonic() + patience.QUIT_SECONDS
        while self.idle and time.monotonic() < deadline:
            for connection, _ in self.wait(max(deadline - time.monotonic(), 0)):
                self.drop(connection)
        for connection in list(self.idle):
            self.drop(connection)
        self._selector.close()
        self._bell.close()
        self._ring.close()

    def _done(self, opening: Opening) -> None:
        """Called by an opening's thread at its end."""
        with self._lock:
            if not self._closed:
                self._done_openings.append(opening)
                self._ring.send(b"\0")
            elif opening.opened:
                opening.opened.close()

    def _take_in(self) -> None:
        """Take over what openings have come to."""
        while self._done_openings:
            opening = self._done_openings.popleft()
            self._openings.discard(opening)
            if opening.opened:
                self.idle.append(Connection(opening.opened, self._selector))
            elif self.standing:
                self.note_limit()
            elif not self._openings:
                self.problem = opening.problem
