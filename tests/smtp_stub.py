"""A small SMTP server that misbehaves on command, for tests of what talks to one."""

from __future__ import annotations

import base64
import contextlib
import enum
import ipaddress
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Act(enum.Enum):
    """What the stub does at a step instead of replying."""

    CLOSE = enum.auto()
    RESET = enum.auto()  # closes with RST
    HANG = enum.auto()  # says and reads nothing more, until the stub is closed
    DRIP = enum.auto()  # says the start of a reply without an end, a little at a time


class Received(NamedTuple):
    sender: str
    recipient: str
    message: bytes


class SmtpStub:
    """Listens on a free loopback port: `with SmtpStub(RCPT="550 No such user") as stub: ...`.

    Steps: GREETING, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BODY (after 354, nothing read yet), EARLY and
    REST (its first line has been read), DOT (the message is complete), AFTER (it has been acknowledged,
    the next may come), RSET, QUIT. For each, a reply or an Act for every time it is reached, or a list of
    them for the first times; None in a list stands for the usual reply. A reply that begins with 421 is
    followed by closing. Where the script has nothing, `decide` is asked, with the number of the connection
    (from 1) and the step.

    The connections after the first `limit` that are open get the reply or Act `over_limit`; `in_pieces`
    sends every reply byte by byte.
    """

    def __init__(
        self,
        *,
        extensions: tuple[str, ...] = ("SIZE 26214400",),
        pipelining: bool = False,
        tls: ssl.SSLContext | None = None,
        tls_at_once: bool = False,
        log_in: tuple[str, str] | None = None,
        limit: int = 1000,
        over_limit: str | Act = "421 4.7.0 too many connections",
        in_pieces: bool = False,
        decide: Callable[[int, str], str | Act | None] = lambda connection, step: None,
        **script: str | Act | list[str | Act | None],
    ) -> None:
        self.extensions = (*extensions, "PIPELINING") if pipelining else extensions
        self.tls, self.tls_at_once, self.log_in = tls, tls_at_once, log_in
        self.limit, self.over_limit, self.in_pieces = limit, over_limit, in_pieces
        self.script, self.decide = script, decide
        # What came in whole, acknowledged or not, and what of it was acknowledged.
        self.received: list[Received] = []
        self.accepted: list[Received] = []
        self.commands: list[str] = []
        self.connections = self.open = self.most_open = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.host, self.port = self._listener.getsockname()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        # shutdown, since close() does not wake a thread that waits in accept() or recv().
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)

    def next_act(self, connection: int, step: str, default: str | Act) -> str | Act:
        """What the script says for this time at the step."""
        with self._lock:
            nth = self._seen[step]
            self._seen[step] += 1
        entry = self.script.get(step)
        if isinstance(entry, list):
            entry = entry[nth] if nth < len(entry) else None
        return entry or self.decide(connection, step) or default

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._sockets.append(sock)
            self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with self._lock:
            self.open += 1
            self.most_open = max(self.open, self.most_open)
            fits = self.open <= self.limit
        dialogue = _Dialogue(self, sock, number)
        with contextlib.closing(dialogue), contextlib.suppress(OSError, EOFError):
            dialogue.run(fits)
        with self._lock:
            self.open -= 1


class _Dialogue:
    """One connection."""

    def __init__(self, stub: SmtpStub, sock: socket.socket, number: int) -> None:
        self.stub = stub
        self.sock = sock
        self.number = number
        self.file = sock.makefile("rb")
        self.sender = self.recipient = ""

    def run(self, fits: bool) -> None:
        if not fits:
            self.act("GREETING", self.stub.over_limit)
            return
        if self.stub.tls_at_once:
            self.encrypt()
        self.act("GREETING", "220 stub ESMTP")
        while line := self.file.readline():
            self.command(line.decode("latin-1").rstrip("\r\n"))

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def command(self, line: str) -> None:
        self.stub.commands.append(line)
        verb = line.partition(" ")[0].upper()
        match verb:
            case "EHLO":
                self.act(
                    "EHLO", "\r\n".join(f"250-{name}" for name in ("stub", *self.offers())) + "\r\n250 HELP"
                )
            case "STARTTLS":
                self.act("STARTTLS", "220 go ahead")
                self.encrypt()
            case "AUTH":
                self.authenticate(line)
            case "MAIL":
                if self.act("MAIL", "503 nested" if self.sender else "250 ok").startswith("250"):
                    self.sender = _address(line)
            case "RCPT":
                if self.act("RCPT", "250 ok" if self.sender else "503 no sender").startswith("250"):
                    self.recipient = _address(line)
            case "RSET":
                if self.act("RSET", "250 forgotten").startswith("250"):
                    self.sender = self.recipient = ""
            case "DATA":
                self.data()
            case "QUIT":
                self.act("QUIT", "221 bye")
                raise EOFError
            case _:
                self.act(verb, "250 ok")

    def offers(self) -> list[str]:
        encrypted = isinstance(self.sock, ssl.SSLSocket)
        offers = list(self.stub.extensions)
        if self.stub.tls and not encrypted:
            offers.append("STARTTLS")
        if self.stub.log_in:
            offers.append("AUTH LOGIN PLAIN")
        return offers

    def authenticate(self, line: str) -> None:
        _, mechanism, initial = (*line.split(), "")[:3]
        right = "\0{}\0{}".format(*(self.stub.log_in or ("", "")))
        said = base64.b64decode(initial).decode()
        self.act("AUTH", "235 welcome" if (mechanism, said) == ("PLAIN", right) else "535 5.7.8 wrong")

    def data(self) -> None:
        usual = "354 go on" if self.recipient else "503 no recipient"
        if not self.act("DATA", usual).startswith("354"):
            return
        replies = [self.act("BODY", "")]
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                raise EOFError
            if not lines:
                replies += [self.act("EARLY", ""), self.act("REST", "")]
            lines.append(line[1:] if line.startswith(b".") else line)
        if any(reply.startswith(("4", "5")) for reply in replies):
            self.sender = self.recipient = ""
            return
        received = Received(self.sender, self.recipient, b"".join(lines))
        self.sender = self.recipient = ""
        if received.recipient:
            self.stub.received.append(received)
        usual = "250 2.0.0 Ok: queued as 4AbC" if received.recipient else "554 no valid recipients"
        self.act("DOT", usual, lambda: self.stub.accepted.append(received))
        self.act("AFTER", "")

    def act(self, step: str, default: str | Act, accept: Callable[[], None] = lambda: None) -> str:
        """Reply and return the reply, or do what the script has instead; accept() before a 250."""
        act = self.stub.next_act(self.number, step, default)
        if isinstance(act, str) and act.startswith("250"):
            accept()
        return self.do(act)

    def do(self, act: str | Act) -> str:
        if act is Act.HANG:
            self.stub.closing.wait()
        while act is Act.DRIP and not self.stub.closing.wait(0.02):
            self.sock.sendall(b"250-")
        if act is Act.RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(act, Act):
            raise EOFError
        if act:
            self.say(act.encode() + b"\r\n")
        if act.startswith("421"):
            raise EOFError
        return act

    def say(self, reply: bytes) -> None:
        if not self.stub.in_pieces:
            self.sock.sendall(reply)
            return
        for byte in reply:
            self.sock.sendall(bytes([byte]))

    def encrypt(self) -> None:
        assert self.stub.tls
        self.file.close()
        self.sock = self.stub.tls.wrap_socket(self.sock, server_side=True)
        self.stub._sockets.append(self.sock)
        self.file = self.sock.makefile("rb")


def _address(line: str) -> str:
    return line[line.index("<") + 1 : line.index(">")]


def self_signed(directory: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context with a certificate for the names or addresses, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stub")])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain, private = directory / "stub.crt", directory / "stub.key"
    chain.write_bytes(certificate.public_bytes(pem))
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return context, chain


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
