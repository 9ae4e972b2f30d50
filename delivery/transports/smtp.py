"""Stage 7 over SMTP: one connection kept over many mails, and no doubt about where an error happened."""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from campaigns.models import Sender
from delivery.errors import OPENING, Phase, Problem, Reply
from delivery.transports.base import Answer, Mail, Verdict

CONNECT_SECONDS = 10
REPLY_SECONDS = 30
QUIT_SECONDS = 5
# Servers and firewalls hang up on silent connections after a minute or more.
IDLE_SECONDS = 50
LOGINS = ("PLAIN", "LOGIN", "CRAM-MD5")
# What may stand between < and > in a command: printable ASCII, no space, no brackets.
ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
# Where servers put the id of what they took: Postfix and our mailbox; Exim; Amazon SES.
PROVIDER_ID = re.compile(r"\bqueued as ([\w.@+-]+)|\bid=([\w.@+-]+)|^ok ([\w-]{20,})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect and how to log in."""

    host: str
    port: int
    security: str = Sender.Security.NONE
    username: str = ""
    password: str = field(default="", repr=False)
    ehlo_name: str = "localhost"


class SmtpTransport:
    """Hands mails to one SMTP server; see delivery.transports.base.Transport. For one thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session: Session | None = None

    def deliver(self, mails: Iterator[Mail]) -> Iterator[Answer]:
        for mail in mails:
            result = self._hand_over(mail)
            if isinstance(result, str):
                yield Answer(mail.row_id, Verdict.ACCEPTED, provider_id=result)
                continue
            yield Answer(mail.row_id, result.verdict, error=str(result))
            if result.verdict is Verdict.SENDER or result.phase in OPENING:
                return

    def close(self) -> None:
        if self._session:
            self._session.quit()
            self._session = None

    def _hand_over(self, mail: Mail) -> str | Problem:
        """The server's id for the mail (it may have none), or why it was not accepted."""
        try:
            return self._begin(mail).finish(mail)
        except Problem as problem:
            self._recover(problem)
            return problem

    def _begin(self, mail: Mail) -> Session:
        """Start the mail's transaction, on the kept connection if it still stands."""
        if self._session and self._session.idle_seconds() < IDLE_SECONDS:
            try:
                self._session.begin(mail)
                return self._session
            except Problem as problem:
                # No reply, or 421: the server hung up between two mails, which is its right. Of this
                # mail it has nothing yet.
                if problem.refused or isinstance(problem.cause, ValueError):
                    raise
        self._drop()
        self._session = Session(self._server)
        self._session.begin(mail)
        return self._session

    def _recover(self, problem: Problem) -> None:
        """Make the connection fit for the next mail, or drop it."""
        if not (self._session and (problem.refused or isinstance(problem.cause, ValueError))):
            self._drop()
            return
        try:
            self._session.reset()
        except Problem:
            self._drop()

    def _drop(self) -> None:
        if self._session:
            self._session.drop()
            self._session = None


class Session:
    """One open connection that takes mail. Every error leaves it as a Problem with its phase.

    It asks and listens step by step, since smtplib's sendmail() hides whether the end of the message
    had been written when an error came.
    """

    def __init__(self, server: Server) -> None:
        self._smtp = smtplib.SMTP(local_hostname=server.ehlo_name)
        self._heard_at = 0.0
        try:
            self._open(server)
        except Problem:
            self.drop()
            raise

    def begin(self, mail: Mail) -> None:
        """MAIL: the first word about a mail; nothing has been promised by either side."""
        size = f" SIZE={len(mail.message)}" if self._smtp.has_extn("size") else ""
        self._ask(Phase.MAIL, f"MAIL FROM:<{_address(mail.sender_address, Phase.MAIL)}>{size}")

    def finish(self, mail: Mail) -> str:
        """The rest of the transaction; returns the server's id for the mail, if it gave one."""
        self._ask(Phase.RCPT, f"RCPT TO:<{_address(mail.recipient, Phase.RCPT)}>")
        self._ask(Phase.DATA_COMMAND, "DATA", wanted=3)
        with _during(Phase.BODY):
            self._smtp.send(_body(mail.message))
        reply = self._listen(Phase.REPLY)
        return _provider_id(reply)

    def reset(self) -> None:
        """Forget an unfinished transaction."""
        self._ask(Phase.MAIL, "RSET")

    def idle_seconds(self) -> float:
        return time.monotonic() - self._heard_at

    def quit(self) -> None:
        """Say good-bye, and close whatever the answer is."""
        with contextlib.suppress(OSError):
            if self._smtp.sock:
                self._smtp.sock.settimeout(QUIT_SECONDS)
            self._smtp.quit()
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        with contextlib.suppress(OSError):
            self._smtp.close()

    def _open(self, server: Server) -> None:
        with _during(Phase.CONNECT):
            self._smtp.sock = socket.create_connection((server.host, server.port), CONNECT_SECONDS)
            self._smtp.sock.settimeout(REPLY_SECONDS)
            # A message's last, short segment must not wait for the acknowledgement of the others.
            self._smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.security == Sender.Security.TLS:
            self._encrypt(server.host)
        self._listen(Phase.GREETING)
        self._greet(server)
        if server.security == Sender.Security.STARTTLS:
            self._start_tls(server)
        if server.username:
            self._log_in(server)

    def _greet(self, server: Server) -> None:
        with _during(Phase.GREETING):
            reply = _reply(self._smtp.ehlo(server.ehlo_name))
        if reply.code != 250:
            raise Problem(reply, Phase.GREETING)

    def _start_tls(self, server: Server) -> None:
        if not self._smtp.has_extn("starttls"):
            raise Problem(smtplib.SMTPNotSupportedError("STARTTLS not offered"), Phase.TLS)
        self._ask(Phase.TLS, "STARTTLS")
        self._encrypt(server.host)
        # What was said in the clear may be forged and counts no more (RFC 3207, 4.2).
        self._greet(server)

    def _encrypt(self, host: str) -> None:
        """Encrypt the connection; the certificate is always verified, against the system's authorities."""
        with _during(Phase.TLS):
            context = ssl.create_default_context()
            self._smtp.sock = context.wrap_socket(cast(socket.socket, self._smtp.sock), server_hostname=host)
            self._smtp.file = None

    def _log_in(self, server: Server) -> None:
        """Log in, once: to try several ways with a wrong password locks accounts."""
        offered = self._smtp.esmtp_features.get("auth", "").upper().split()
        mechanism = next((name for name in LOGINS if name in offered), "")
        if not mechanism:
            raise Problem(
                smtplib.SMTPNotSupportedError(f"AUTH {' '.join(offered) or 'not offered'}"), Phase.AUTH
            )
        self._smtp.user, self._smtp.password = server.username, server.password
        answer = getattr(self._smtp, "auth_" + mechanism.lower().replace("-", "_"))
        with _during(Phase.AUTH):
            try:
                self._smtp.auth(mechanism, answer)
            except smtplib.SMTPAuthenticationError as error:
                reply = _reply((error.smtp_code, cast(bytes, error.smtp_error)))
                raise Problem(_conceal(reply, server), Phase.AUTH) from None

    def _ask(self, phase: Phase, line: str, wanted: int = 2) -> Reply:
        with _during(phase):
            self._smtp.putcmd(line)
        return self._listen(phase, wanted)

    def _listen(self, phase: Phase, wanted: int = 2) -> Reply:
        """The server's reply, whose code must begin with the wanted digit."""
        with _during(phase):
            reply = _reply(self._smtp.getreply())
        self._heard_at = time.monotonic()
        if reply.code // 100 != wanted:
            raise Problem(reply, phase)
        return reply


@contextlib.contextmanager
def _during(phase: Phase) -> Iterator[None]:
    # smtplib's own exceptions are OSErrors; a ValueError is something it cannot write.
    try:
        yield
    except (OSError, ValueError) as error:
        raise Problem(error, phase) from error


def _reply(answer: tuple[int, bytes]) -> Reply:
    return Reply(answer[0], answer[1].decode("utf-8", "replace"))


def _address(address: str, phase: Phase) -> str:
    """The address, if it can stand in a command and be nothing more than an address there."""
    if not ADDRESS.fullmatch(address):
        raise Problem(ValueError(address), phase)
    return address


def _body(message: bytes) -> bytes:
    """The message as it goes over the wire, with the line that ends it.

    A dot that begins a line is doubled, also after a bare LF: to a server that takes one for the end
    of a line, a lone dot there would end the message and let the rest pass for commands.
    """
    stuffed = message.replace(b"\n.", b"\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _provider_id(reply: Reply) -> str:
    found = PROVIDER_ID.search(reply.text)
    return next(filter(None, found.groups()), "")[:255] if found else ""


def _conceal(reply: Reply, server: Server) -> Reply:
    """The reply without the password, should the server have repeated it."""
    text = reply.text
    for secret in (f"\0{server.username}\0{server.password}", server.password):
        for form in (base64.b64encode(secret.encode()).decode(), secret):
            text = text.replace(form, "***") if form else text
    return Reply(reply.code, text)
