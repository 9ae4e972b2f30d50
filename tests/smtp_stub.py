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


class Received(NamedTuple):
    sender: str
    recipient: str
    message: bytes


class SmtpStub:
    """Listens on a free loopback port: `with SmtpStub(RCPT="550 No such user") as stub: ...`.

    Steps: GREETING, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BODY (after 354, nothing read yet), DOT (the
    message is complete), AFTER (it has been acknowledged, the next may come), RSET, QUIT. For each, a
    reply or an Act for every time it is reached, or a list of them for the first times; None in a list
    stands for the usual reply. A reply that begins with 421 is followed by closing.
    """

    def __init__(
        self,
        *,
        extensions: tuple[str, ...] = ("SIZE 26214400",),
        tls: ssl.SSLContext | None = None,
        tls_at_once: bool = False,
        log_in: tuple[str, str] | None = None,
        **script: str | Act | list[str | Act | None],
    ) -> None:
        self.extensions = extensions
        self.tls, self.tls_at_once, self.log_in = tls, tls_at_once, log_in
        self.script = script
        # What came in whole, acknowledged or not, and what of it was acknowledged.
        self.received: list[Received] = []
        self.accepted: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
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

    def next_act(self, step: str, default: str) -> str | Act:
        """What the script says for this time at the step."""
        with self._lock:
            nth = self._seen[step]
            self._seen[step] += 1
        entry = self.script.get(step, default)
        if not isinstance(entry, list):
            return entry
        return (entry[nth] if nth < len(entry) else None) or default

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
            self.connections += 1
            self._sockets.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        dialogue = _Dialogue(self, sock)
        with contextlib.closing(dialogue), contextlib.suppress(OSError, EOFError):
            dialogue.run()


class _Dialogue:
    """One connection."""

    def __init__(self, stub: SmtpStub, sock: socket.socket) -> None:
        self.stub = stub
        self.sock = sock
        self.file = sock.makefile("rb")
        self.sender = self.recipient = ""

    def run(self) -> None:
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
            case "MAIL" | "RCPT":
                address = line[line.index("<") + 1 : line.index(">")]
                setattr(self, "sender" if verb == "MAIL" else "recipient", address)
                self.act(verb, "250 ok")
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
        if not self.act("DATA", "354 go on").startswith("354"):
            return
        self.act("BODY", "")
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                raise EOFError
            lines.append(line[1:] if line.startswith(b".") else line)
        received = Received(self.sender, self.recipient, b"".join(lines))
        self.stub.received.append(received)
        if self.act("DOT", "250 2.0.0 Ok: queued as 4AbC").startswith("250"):
            self.stub.accepted.append(received)
        self.act("AFTER", "")

    def act(self, step: str, default: str) -> str:
        """Reply and return the reply, or do what the script has instead."""
        act = self.stub.next_act(step, default)
        if act is Act.HANG:
            self.stub.closing.wait()
        if act is Act.RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(act, Act):
            raise EOFError
        if act:
            self.sock.sendall(act.encode() + b"\r\n")
        if act.startswith("421"):
            raise EOFError
        return act

    def encrypt(self) -> None:
        assert self.stub.tls
        self.file.close()
        self.sock = self.stub.tls.wrap_socket(self.sock, server_side=True)
        self.stub._sockets.append(self.sock)
        self.file = self.sock.makefile("rb")


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
