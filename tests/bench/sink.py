"""A provider that takes everything: SMTP, and HTTP as Postmark speaks it, with a wait before each answer.

    python -m tests.bench.sink LATENCY RECORD|-

Prints its two ports and serves until its input ends. In RECORD it writes every mail that it takes, as
smtp-sink -D does. It stands in for smtp-sink where there is none, and for an e-mail service.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from typing import BinaryIO

END_OF_BODY = b"\r\n.\r\n"
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Provider:
    """What has been taken, by all connections together."""

    def __init__(self, latency: float, record: BinaryIO | None) -> None:
        self.latency = latency
        self.taken = 0
        self._record = record

    def take(self, recipient: bytes, message: bytes) -> None:
        self.taken += 1
        if self._record:
            self._record.write(b"X-Rcpt-Args: <%b>\n%b\n\n" % (recipient, message.replace(b"\r\n", b"\n")))

    def later(self, answer: Callable[[], None]) -> None:
        if self.latency:
            asyncio.get_running_loop().call_later(self.latency, answer)
        else:
            answer()


class Smtp(asyncio.Protocol):
    """SMTP with PIPELINING (RFC 2920)."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.buffer = bytearray()
        self.recipient = b""
        self.in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        answers = bytearray()
        while (end := self.buffer.find(END_OF_BODY if self.in_body else b"\r\n")) >= 0:
            taken = bytes(self.buffer[:end])
            del self.buffer[: end + (len(END_OF_BODY) if self.in_body else 2)]
            answers += self._body(taken) if self.in_body else self._line(taken)
        self.provider.later(lambda: self.transport.write(bytes(answers)))

    def _body(self, message: bytes) -> bytes:
        self.in_body = False
        self.provider.take(self.recipient, message)
        return b"250 2.0.0 Ok\r\n"

    def _line(self, line: bytes) -> bytes:
        match line[:4].upper():
            case b"EHLO":
                return b"250-sink\r\n250-PIPELINING\r\n250 SIZE 50000000\r\n"
            case b"RCPT":
                self.recipient = line.partition(b"<")[2].partition(b">")[0]
            case b"DATA":
                self.in_body = True
                return b"354 go on\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
        return b"250 ok\r\n"


class Http(asyncio.Protocol):
    """POST /email, one mail a call."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, end + 2)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < size:
                return
            self._take(json.loads(self.buffer[end + 4 : size]))
            del self.buffer[:size]

    def _take(self, mail: dict[str, str]) -> None:
        recipient = mail["To"].rpartition("<")[2].rstrip("> ")
        self.provider.take(recipient.encode(), json.dumps(mail).encode())
        body = b'{"ErrorCode":0,"Message":"OK","MessageID":"%d","To":"%b"}' % (
            self.provider.taken,
            recipient.encode(),
        )
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.provider.later(lambda: self.transport.write(head + body))


async def serve(provider: Provider) -> None:
    loop = asyncio.get_running_loop()
    ports = []
    for protocol in (Smtp, Http):
        server = await loop.create_server(lambda p=protocol: p(provider), "127.0.0.1", 0, backlog=1000)
        ports.append(server.sockets[0].getsockname()[1])
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    sys.stdout.write(f"mesg={provider.taken}\n")


def main(latency: str, record: str) -> None:
    if record == "-":
        asyncio.run(serve(Provider(float(latency), None)))
        return
    with open(record, "wb", buffering=1 << 20) as file:  # noqa: PTH123
        asyncio.run(serve(Provider(float(latency), file)))


if __name__ == "__main__":
    main(*sys.argv[1:3])
