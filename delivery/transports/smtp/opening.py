"""Opens SMTP connections: name look-up, TCP, TLS, EHLO and log-in, each in a thread of its own.

The mails that are on their way over other connections do not wait for it.
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from campaigns import egress
from campaigns.models import Sender
from delivery.errors.smtp import Phase, Problem, Reply
from delivery.transports.smtp import patience

LOGINS = ("PLAIN", "LOGIN", "CRAM-MD5")


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect and how to log in."""

    host: str
    port: int
    security: str = Sender.Security.NONE
    username: str = ""
    password: str = field(default="", repr=False)
    ehlo_name: str = "localhost"
    # Ours, and not one that somebody has typed.
    is_own: bool = False

    def connect(self) -> socket.socket:
        """Raises egress.Refused for a server that leads inside, and what the system raises."""
        if self.is_own:
            return socket.create_connection((self.host, self.port), patience.CONNECT_SECONDS)
        return egress.connect(self.host, self.port, patience.CONNECT_SECONDS)


class Opening:
    """One attempt. `done` is called in its thread, once, when `opened` or `problem` has been set."""

    def __init__(self, server: Server, done: Callable[[Opening], None]) -> None:
        self.opened: smtplib.SMTP | None = None
        self.problem: Problem | None = None
        self._server = server
        self._done = done
        self._deadline = time.monotonic() + patience.OPEN_SECONDS
        self._phase = Phase.CONNECT
        self._smtp = smtplib.SMTP(local_hostname=server.ehlo_name)
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="smtp-opening", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for its end; it has a problem then, if it took too long."""
        self._thread.join(patience.OPEN_SECONDS)
        self.end_if_overdue()

    def end_if_overdue(self) -> None:
        """End it when its time is over, wherever it hangs, and also when the server drips."""
        if time.monotonic() < self._deadline:
            return
        if self._end(Problem(TimeoutError("timed out"), self._phase)):
            with contextlib.suppress(OSError, AttributeError):
                cast(socket.socket, self._smtp.sock).shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            self._open()
        except Problem as problem:
            self._end(problem)
        # smtplib's own exceptions are OSErrors; a ValueError is something it cannot write.
        except (OSError, ValueError) as error:
            self._end(Problem(error, self._phase))
        else:
            self._end(None)
        if self.opened is None:
            self._smtp.close()

    def _end(self, problem: Problem | None) -> bool:
        """Set the result, unless there is one already."""
        with self._lock:
            if self._ended:
                return False
            self._ended = True
            self.opened, self.problem = (None if problem else self._smtp), problem
        self._done(self)
        return True

    def _open(self) -> None:
        server = self._server
        self._smtp.sock = sock = server.connect()
        sock.settimeout(patience.REPLY_SECONDS)
        # A message's last, short segment must not wait for the acknowledgement of the others.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.security == Sender.Security.TLS:
            self._encrypt()
        self._phase = Phase.GREETING
        self._listen()
        self._greet()
        if server.security == Sender.Security.STARTTLS:
            self._start_tls()
        if server.username:
            self._log_in()

    def _greet(self) -> None:
        self._phase = Phase.GREETING
        reply = _reply(self._smtp.ehlo(self._server.ehlo_name))
        if reply.code != 250:
            raise Problem(reply, Phase.GREETING)

    def _start_tls(self) -> None:
        self._phase = Phase.TLS
        if not self._smtp.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("STARTTLS not offered")
        self._smtp.putcmd("STARTTLS")
        self._listen()
        self._encrypt()
        # What was said in the clear may be forged and counts no more (RFC 3207, 4.2).
        self._greet()

    def _encrypt(self) -> None:
        """Encrypt the connection; the certificate is always verified, against the system's authorities."""
        self._phase = Phase.TLS
        context = ssl.create_default_context()
        plain = cast(socket.socket, self._smtp.sock)
        self._smtp.sock = context.wrap_socket(plain, server_hostname=self._server.host)
        self._smtp.file = None

    def _log_in(self) -> None:
        """Log in, once: to try several ways with a wrong password locks accounts."""
        self._phase = Phase.AUTH
        offered = self._smtp.esmtp_features.get("auth", "").upper().split()
        mechanism = next((name for name in LOGINS if name in offered), "")
        if not mechanism:
            raise smtplib.SMTPNotSupportedError(f"AUTH {' '.join(offered) or 'not offered'}")
        self._smtp.user, self._smtp.password = self._server.username, self._server.password
        answer = getattr(self._smtp, "auth_" + mechanism.lower().replace("-", "_"))
        try:
            self._smtp.auth(mechanism, answer)
        except smtplib.SMTPAuthenticationError as error:
            reply = _reply((error.smtp_code, cast(bytes, error.smtp_error)))
            raise Problem(_conceal(reply, self._server), Phase.AUTH) from None

    def _listen(self) -> None:
        reply = _reply(self._smtp.getreply())
        if reply.code // 100 != 2:
            raise Problem(reply, self._phase)


class Checked(NamedTuple):
    """What came of a test: the problem, or the size of mails that the server takes, where it says so."""

    problem: Problem | None
    announced_size: int | None = None


def check(server: Server) -> Checked:
    """Connect, log in and take leave. Takes seconds when the server is silent."""
    opening = Opening(server, lambda opening: None)
    opening.wait()
    if opening.opened:
        size = opening.opened.esmtp_features.get("size", "")
        with contextlib.suppress(OSError):
            cast(socket.socket, opening.opened.sock).settimeout(patience.QUIT_SECONDS)
            opening.opened.quit()
        opening.opened.close()
        # RFC 1870, 3: zero is no limit that the server knows of.
        return Checked(None, int(size) or None if size.isascii() and size.isdecimal() else None)
    return Checked(opening.problem)


def _reply(answer: tuple[int, bytes]) -> Reply:
    return Reply(answer[0], answer[1].decode("utf-8", "replace"))


def _conceal(reply: Reply, server: Server) -> Reply:
    """The reply without the password, should the server have repeated it."""
    text = reply.text
    for secret in (f"\0{server.username}\0{server.password}", server.password):
        for form in (base64.b64encode(secret.encode()).decode(), secret):
            text = text.replace(form, "***") if form else text
    return Reply(reply.code, text)
