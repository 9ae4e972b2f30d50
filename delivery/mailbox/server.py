"""The local mailbox: an SMTP server on loopback, so that a mail can be sent for real and go nowhere.

To the sending side it is one more SMTP server; see delivery.transports.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import ipaddress
import logging
import smtplib
import socket
import sqlite3
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope

from delivery.mailbox.store import MailboxStore

SIZE_LIMIT = 25 * 1024 * 1024
GREETING = "Drumbeat mailbox"
PROBE_SECONDS = 5


class MailboxUnavailable(Exception):
    """The mailbox cannot run here; the message says what to do about it."""


class Mailbox:
    """The server of one mailbox file, in a thread of this process or in another process already."""

    def __init__(self, host: str, port: int, path: Path) -> None:
        if not _is_loopback(host):
            raise MailboxUnavailable(
                f"The mailbox takes mail from anyone who can reach it, so it only listens on this machine "
                f"itself, not on {host}. Use 127.0.0.1."
            )
        self._host, self._port, self._path = host, port, path
        # Tells the mailbox of this installation from one with another file.
        self._ident = f"{GREETING} {hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
        self._store: MailboxStore | None = None
        self._controller: _Controller | None = None

    def start(self) -> bool:
        """Serve from now on. False when another process serves this very mailbox; then it is used.

        Raises MailboxUnavailable when something else has the port.
        """
        try:
            # Bound here, not by aiosmtpd, which tells of a taken port only after a while.
            listener = socket.create_server((self._host, self._port))
        except OSError as error:
            self._join_other(error)
            return False
        # One line for every command of every mail, otherwise.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        self._store = MailboxStore(self._path)
        self._controller = _Controller(
            listener,
            self._store,
            self._host,
            self._port,
            server_hostname="localhost",
            ident=self._ident,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=False,
        )
        self._controller.start()
        return True

    def stop(self) -> None:
        """Serve no longer. May be repeated; leaves another process's server alone."""
        if self._controller:
            self._controller.stop()
            self._controller = None
        if self._store:
            self._store.close()
            self._store = None

    def _join_other(self, error: OSError) -> None:
        """Accept that another process runs this mailbox; raise when that is not so."""
        if error.errno != errno.EADDRINUSE:
            raise MailboxUnavailable(
                f"The mailbox cannot listen on {self._host}:{self._port}: {error.strerror}. "
                "Set MAILBOX_PORT to another port."
            ) from error
        greeting = _greeting(self._host, self._port)
        if self._ident in greeting:
            return
        who = "The mailbox of another Drumbeat" if GREETING in greeting else "Another program"
        raise MailboxUnavailable(
            f"{who} listens on {self._host}:{self._port}. Stop it, or set MAILBOX_PORT to a free port."
        ) from error


class _Smtp(SMTP):
    """aiosmtpd with a DATA that takes a body in one piece; line by line, its own costs twice as much."""

    # Of the stream's buffer, which holds a body now. Commands have their own limit.
    line_length_limit = SIZE_LIMIT

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        envelope = cast(Envelope, self.envelope)
        if arg or not envelope.rcpt_tos:
            await self.push("503 5.5.1 DATA comes after RCPT and stands alone")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        try:
            body = await self._read_body()
        except asyncio.LimitOverrunError:
            await self.push("552 5.3.4 The message is larger than SIZE allows")
            self._writer.close()
            return
        self.envelope = Envelope()
        await self.push(_keep(self.event_handler, envelope, body))

    async def _read_body(self) -> bytes:
        """All up to the line with the lone dot, the doubled dots undone (RFC 5321, 4.5.2)."""
        body = bytearray(b"\r\n")
        while not body.endswith(b"\r\n.\r\n"):
            body += await self._reader.readuntil(b".\r\n")
            if len(body) > SIZE_LIMIT:
                raise asyncio.LimitOverrunError("", 0)
        return bytes(body[:-3].replace(b"\r\n.", b"\r\n")[2:])


def _keep(store: MailboxStore, envelope: Envelope, body: bytes) -> str:
    """Commit the message and only then give the reply that acknowledges it."""
    try:
        ids = [store.add(recipient, envelope.mail_from or "", body) for recipient in envelope.rcpt_tos]
    except sqlite3.Error as error:
        return f"451 4.3.0 The mailbox cannot be written: {error}"
    return f"250 2.0.0 Ok: queued as {ids[0]}"


class _Controller(Controller):
    """aiosmtpd's thread, listening on a socket that is bound already."""

    def __init__(
        self, listener: socket.socket, store: MailboxStore, host: str, port: int, **smtp: Any
    ) -> None:
        super().__init__(store, host, port, **smtp)
        self._listener = listener

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._listener)

    def factory(self) -> SMTP:
        return _Smtp(self.handler, loop=self.loop, **self.SMTP_kwargs)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _greeting(host: str, port: int) -> str:
    """What a server says to whoever connects; empty when it says nothing of SMTP."""
    smtp = smtplib.SMTP(local_hostname="localhost", timeout=PROBE_SECONDS)
    try:
        return smtp.connect(host, port)[1].decode("latin-1")
    except (OSError, smtplib.SMTPException):
        return ""
    finally:
        smtp.close()
