"""One call of deliver(): a loop over the pool's connections, which gives mails to those that are free."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Iterator
from typing import cast

from delivery.errors.smtp import Problem
from delivery.transports.base import Answer, Leaving, Mail, Verdict
from delivery.transports.smtp import patience, wire
from delivery.transports.smtp.connection import Connection
from delivery.transports.smtp.pool import Pool


class Delivery:
    """The mails in hand, and what is to be told about them."""

    def __init__(self, pool: Pool, mails: Iterator[Mail], leaving: Leaving) -> None:
        self._pool = pool
        self._mails = mails
        self._leaving = leaving
        # Pulled, not left, and on no connection.
        self._waiting: deque[Mail] = deque()
        # Rows that have lost a connection before their mail left; it happens to each only once.
        self._moved: set[int] = set()
        self._ready: list[Connection] = []
        self._answers: deque[Answer] = deque()
        # Nothing more is pulled: there is no more, or no further mail could leave, or the caller failed.
        self._over = False
        self._stop: Answer | None = None
        self._failure: Exception | None = None
        self._grow_at = time.monotonic() + patience.GROW_SECONDS
        self._next_look = 0.0

    def run(self) -> Iterator[Answer]:
        """Deliver, and yield the answers; see delivery.transports.base.Transport.deliver.

        An answer is given before the next mail leaves on its connection: what the caller has been told
        when it dies leaves at most one mail a connection in doubt. An error of the caller's own, from
        its mails, comes out once the mails that had left have their answers.
        """
        seconds = 0.0
        try:
            while True:
                for connection, events in self._pool.wait(seconds):
                    self._serve(connection, events)
                self._end_overdue()
                while self._answers:
                    yield self._answers.popleft()
                self._hand_over_ready()
                self._begin_mails()
                if not self._waiting and not self._pool.busy:
                    break
                self._open_connections()
                seconds = patience.TICK_SECONDS
            yield from self._answers
        finally:
            # Left in the middle: what would be heard on these next belongs to mails of this call.
            self._pool.drop_busy()
        if self._failure:
            raise self._failure

    def _serve(self, connection: Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                connection.read(self._report)
            if events & selectors.EVENT_WRITE:
                connection.write()
        except Problem as problem:
            self._lost(connection, problem)
            return
        if connection.ready:
            self._ready.append(connection)
        elif connection.idle:
            self._pool.give_back(connection)

    def _hand_over_ready(self) -> None:
        """Write the messages that servers are ready for, each with the next mail's commands behind it."""
        ready, self._ready = self._ready, []
        for connection in ready:
            following = self._next() if connection.pipelining else None
            self._leaving(cast(Mail, connection.begun).row_id)
            try:
                connection.hand_over(following)
            except Problem as problem:
                self._lost(connection, problem)

    def _begin_mails(self) -> None:
        """Give mails to idle connections; hold one while none stands, so that there is one to open for."""
        self._give_up_waiting()
        while self._pool.idle and (mail := self._next()):
            connection = self._pool.take()
            try:
                connection.begin(mail)
            except Problem as problem:
                self._lost(connection, problem)
        if not self._waiting and not self._pool.standing and (mail := self._next()):
            self._waiting.append(mail)

    def _give_up_waiting(self) -> None:
        """Answer the mails on no connection, when there will be none for them."""
        while self._waiting and (self._stop or self._pool.problem):
            mail = self._waiting.popleft()
            if self._stop:
                self._report(Answer(mail.row_id, self._stop.verdict, error=self._stop.error))
            elif self._pool.problem:
                self._report(wire.refused(mail, self._pool.problem))

    def _open_connections(self) -> None:
        """Open the first connection for a mail that waits, and more while there is work for more."""
        if self._waiting and not self._pool.standing:
            self._pool.open_another()
        elif not self._over and not self._pool.idle and time.monotonic() >= self._grow_at:
            self._grow_at = time.monotonic() + patience.GROW_SECONDS
            for _ in range(self._pool.standing):
                self._pool.open_another()

    def _next(self) -> Mail | None:
        """The next mail to begin, None when there is none."""
        if self._waiting:
            return self._waiting.popleft()
        while not self._over:
            try:
                mail = next(self._mails, None)
            except Exception as error:
                self._failure, self._over = error, True
                return None
            if mail is None:
                self._over = True
            elif problem := wire.unusable(mail):
                self._report(wire.refused(mail, problem))
            else:
                return mail
        return None

    def _report(self, answer: Answer) -> None:
        self._answers.append(answer)
        if answer.verdict in (Verdict.UNAVAILABLE, Verdict.SENDER):
            self._over = True
            self._stop = self._stop or answer

    def _lost(self, connection: Connection, problem: Problem) -> None:
        """A connection ended: answer the mail that had left, and begin the other one elsewhere."""
        self._pool.drop(connection)
        left, begun = connection.left, connection.begun
        if left:
            self._report(wire.refused(left, problem))
        if begun is None:
            return
        if connection.refusal:
            self._report(wire.refused(begun, connection.refusal))
            return
        if not connection.used and not left:
            self._pool.note_limit()
        # The connection ended over the mail before it, or said nothing about this one.
        if left or self._may_move(begun, problem):
            self._waiting.append(begun)
        else:
            self._report(wire.refused(begun, problem))

    def _may_move(self, mail: Mail, problem: Problem) -> bool:
        """Whether a mail gets another connection: once, and not after it has waited in vain."""
        if isinstance(problem.cause, TimeoutError) or mail.row_id in self._moved:
            return False
        self._moved.add(mail.row_id)
        return True

    def _end_overdue(self) -> None:
        """Give up connections and openings whose time is over.

        What had come in was read before: a caller that took its time has not made a server late.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + patience.TICK_SECONDS
        for connection in [each for each in self._pool.busy if each.deadline <= now]:
            self._lost(connection, Problem(TimeoutError("timed out"), connection.phase))
        self._pool.end_overdue_openings()
