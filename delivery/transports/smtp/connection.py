"""One open SMTP connection: which replies it awaits, and what has left over it.

It never waits: the loop in delivery.py calls it when there is something to read, or room to write. With
PIPELINING (RFC 2920) a mail's message and the next mail's commands leave together, one round trip a
mail; without it, each command waits for its reply.
"""

from __future__ import annotations

import contextlib
import enum
import selectors
import smtplib
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from delivery.errors.smtp import Phase, Problem, Reply
from delivery.transports.base import Answer, Mail
from delivery.transports.smtp import patience, wire

RECEIVE = 16384
# A TLS record holds as much. What was not sent whole with its last record, nobody can read.
TLS_RECORD = 16384
BUSY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Undo(enum.Enum):
    """What clears up after a refusal, and is about no mail."""

    RESET = enum.auto()
    # Ends a message that the server asked for although it had refused its recipient (RFC 2920, 3.1).
    LONE_DOT = enum.auto()


Step = Phase | Undo
# Names of the module, since Python looks a member of an enumeration up anew each time, many times a mail.
MAIL, RCPT, DATA, REPLY, RESET = Phase.MAIL, Phase.RCPT, Phase.DATA_COMMAND, Phase.REPLY, Undo.RESET
ENVELOPE = (MAIL, RCPT, DATA)


class Connection:
    """One mail may have left and await its answer (`left`), the next may have been begun (`begun`).

    Every method that talks raises Problem when the connection can serve no longer; then drop it.
    """

    def __init__(self, opened: smtplib.SMTP, selector: selectors.BaseSelector) -> None:
        self.pipelining = opened.has_extn("pipelining")
        self.left: Mail | None = None
        self.begun: Mail | None = None
        # Why the mail that was begun is refused already; the replies to its other commands are due.
        self.refusal: Problem | None = None
        # The server asks for the message of the mail that was begun.
        self.ready = False
        # It has served a mail before.
        self.used = False
        self.deadline = float("inf")
        self.heard_at = time.monotonic()
        self._announce_size = opened.has_extn("size")
        self._sock = _take_socket(opened)
        self._record = TLS_RECORD if isinstance(self._sock, ssl.SSLSocket) else None
        self._selector = selector
        self._events = selectors.EVENT_READ
        selector.register(self._sock, self._events, self)
        self._reader = wire.ReplyReader()
        # Steps whose replies are due, in the order of the commands that were written.
        self._awaited: deque[Step] = deque()
        # Commands to write one by one, where there is no pipelining.
        self._later: deque[tuple[Step, bytes]] = deque()
        self._unclean = False
        self._unsent = memoryview(b"")
        # What is written after it: mails name what they share, and copy it nowhere.
        self._to_follow: deque[memoryview] = deque()
        # How many bytes of the message that is leaving the kernel has not taken yet.
        self._body_unsent = 0

    @property
    def idle(self) -> bool:
        return not self._awaited and not self.ready

    @property
    def phase(self) -> Phase:
        """How far the mail has come whose reply is next."""
        if self._body_unsent:
            return Phase.BODY
        if self.ready:
            return Phase.DATA_COMMAND
        step = self._awaited[0] if self._awaited else Phase.MAIL
        return step if isinstance(step, Phase) else Phase.MAIL

    def begin(self, mail: Mail) -> None:
        """Write the first commands of a mail; the connection is idle. Nothing is promised by them."""
        self.deadline = time.monotonic() + patience.REPLY_SECONDS
        self._send(self._commands(mail))

    def hand_over(self, following: Mail | None) -> None:
        """Write the message that the server is ready for, and begin the following mail behind it.

        Once its last byte has gone to the kernel, only the server can say what became of it.
        """
        mail = cast(Mail, self.begun)
        self.left, self.begun, self.ready = mail, None, False
        message, tail, ending = wire.body(mail)
        self._awaited.append(REPLY)
        self._body_unsent = len(message) + len(tail) + len(ending)
        self.deadline = time.monotonic() + patience.REPLY_SECONDS
        commands = self._commands(following) if following else b""
        if tail:
            self._send(message, tail, ending + commands)
        else:
            self._send(b"".join((message, ending, commands)))

    def read(self, report: Callable[[Answer], None]) -> None:
        """Take in what the server has said, and report what became of mails."""
        try:
            data = self._sock.recv(RECEIVE)
        except BUSY:
            return
        except OSError as error:
            raise Problem(error, self.phase) from error
        if not data:
            raise Problem(ConnectionAbortedError("The server closed the connection."), self.phase)
        replies = self._reader.feed(data)
        if replies:
            self.heard_at = time.monotonic()
            self.deadline = self.heard_at + patience.REPLY_SECONDS
        for reply in replies:
            self._hear(reply, report)

    def write(self) -> None:
        """Hand the kernel what it had no room for before."""
        try:
            while self._unsent:
                sent = self._sock.send(self._unsent[: self._record])
                self._unsent = self._unsent[sent:]
                if not self._unsent and self._to_follow:
                    self._unsent = self._to_follow.popleft()
                self._note_sent(sent)
        except BUSY:
            pass
        except OSError as error:
            raise Problem(error, self.phase) from error
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        if events != self._events:
            self._events = events
            self._selector.modify(self._sock, events, self)

    def quit(self) -> None:
        """Say good-bye, without waiting for the reply."""
        with contextlib.suppress(OSError):
            self._sock.send(b"QUIT\r\n")

    def close(self) -> None:
        self._selector.unregister(self._sock)
        with contextlib.suppress(OSError):
            self._sock.close()

    def _commands(self, mail: Mail) -> bytes:
        """Begin a mail: what to write now. Without pipelining the rest is kept for later."""
        self.begun, self.refusal = mail, None
        steps: tuple[Step, ...] = ENVELOPE
        lines = wire.commands(mail, announce_size=self._announce_size)
        if self._unclean:
            steps, lines = (RESET, *steps), (b"RSET\r\n", *lines)
        if self.pipelining:
            self._awaited.extend(steps)
            return b"".join(lines)
        self._awaited.append(steps[0])
        self._later.extend(zip(steps[1:], lines[1:], strict=True))
        return lines[0]

    def _send(self, data: bytes, *to_follow: bytes) -> None:
        self._unsent = memoryview(data)
        self._to_follow.extend(map(memoryview, to_follow))
        self.write()

    def _note_sent(self, count: int) -> None:
        if self._body_unsent:
            self._body_unsent = max(self._body_unsent - count, 0)
            if not self._body_unsent:
                self.deadline = time.monotonic() + patience.LAST_REPLY_SECONDS

    def _hear(self, reply: Reply, report: Callable[[Answer], None]) -> None:
        """Take a reply for the step that awaits one."""
        step = self._awaited[0] if self._awaited else None
        early = self._body_unsent if step is REPLY else self._unsent
        wanted = step and reply.code // 100 == (3 if step is DATA else 2)
        problem = None if wanted and not early else Problem(reply, self.phase)
        if problem and (early or step in (None, RESET) or not problem.refused):
            raise problem
        self._awaited.popleft()
        if step is REPLY:
            mail, self.left, self.used = cast(Mail, self.left), None, True
            report(wire.refused(mail, problem) if problem else wire.accepted(mail, reply))
        elif step is RESET:
            self._unclean = False
            self._send_later()
        else:
            self.refusal = self.refusal or problem
            self._go_on(report, asked_for_message=step is DATA and not problem)

    def _go_on(self, report: Callable[[Answer], None], *, asked_for_message: bool) -> None:
        """Take the mail that was begun one step further."""
        if asked_for_message and not self.refusal:
            self.ready = True
        elif asked_for_message:
            self._awaited.append(Undo.LONE_DOT)
            self._send(b".\r\n")
        elif not self.refusal:
            self._send_later()
        elif not self._awaited:
            mail, self.begun, self.used = cast(Mail, self.begun), None, True
            self._later.clear()
            self._unclean = True
            report(wire.refused(mail, self.refusal))

    def _send_later(self) -> None:
        """Write the next command, where each waits for the reply to the one before."""
        if self._later:
            step, line = self._later.popleft()
            self._awaited.append(step)
            self._send(line)


def _take_socket(opened: smtplib.SMTP) -> socket.socket:
    """The socket alone. What the server has said unasked is lost with smtplib's buffer, as it should."""
    sock = cast(socket.socket, opened.sock)
    opened.sock = None
    opened.close()
    sock.setblocking(False)
    return sock
