"""The provider of a fault test: one process that takes mail by SMTP and HTTP and forgets nothing.

    python -m tests.chaos.sink LOG SEED

Prints {"smtp", "http", "control"}, its three ports on loopback, and serves until its input ends. Each
mail that comes in is a line in LOG, synced to disk before it is answered: what the sink says it has,
it has. What it does wrong is set through the control port, a JSON object a line (see Plan), and drawn
by recipient from the seed, so that the same run meets the same faults.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import re
import socket
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# delivery.message makes Message-IDs of row, campaign and installation; to services that make their own,
# the transport names the row beside it.
MESSAGE_ID = re.compile(rb"<(\d+)\.\d+\.[0-9a-f]{12}@")
METADATA = re.compile(rb'"row": *"(\d+)"')
END_OF_BODY = b"\r\n.\r\n"
# Answers with which the mail is taken, and those after which nobody may knock for a while.
TAKEN = ("250", "hang", "reset")
CLOSING = ("429", "503")
LATE_SECONDS = 0.1


@dataclass
class Plan:
    """What the sink does with mails; shares are of recipients, times are in seconds."""

    # Takes the mail and then never answers, or resets the connection.
    hang: float = 0
    reset: float = 0
    # Code -> share that is refused with it, once each: 421 and 451 in SMTP; by HTTP 429 and 503, which
    # close the service to everybody for `retry_after`.
    refuse: dict[str, float] = field(default_factory=dict)
    retry_after: int = 0
    latency: float = 0
    # Mails answered in a second, all connections together; 0: as many as come.
    pace: float = 0
    # Holds the next answer of this kind ("data": before the body, "dot": after it) until released.
    hold: str = ""


class Log:
    """Lines on disk; those of one turn of the loop are synced together, and only then answered."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        self._waiting: list[tuple[bytes, Callable[[], None]]] = []

    def write(self, line: dict[str, Any], then: Callable[[], None]) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._sync)
        self._waiting.append((json.dumps(line, separators=(",", ":")).encode() + b"\n", then))

    def _sync(self) -> None:
        waiting, self._waiting = self._waiting, []
        os.write(self._file, b"".join(line for line, _ in waiting))
        os.fsync(self._file)
        for _, then in waiting:
            then()


class Provider:
    """What both protocols stand before: it decides about each mail, and logs it."""

    def __init__(self, log: Log, seed: str) -> None:
        self.plan = Plan()
        self.held: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self._log = log
        self._seed = seed
        self._refused: set[tuple[str, str]] = set()
        # Answers that wait for their turn, and when the last one had its own.
        self._in_turn: deque[Callable[[], None]] = deque()
        self._next_turn: asyncio.TimerHandle | None = None
        self._last_turn = 0.0
        self._closed_until = 0.0
        self._releases: list[Callable[[], None]] = []

    def receive(self, mail: dict[str, Any], answer: Callable[[str], None]) -> None:
        """Log a mail, then call `answer` with a code: an SMTP or HTTP status, "hang" or "reset"."""
        code = self._decide(mail)
        accepted = code in TAKEN
        self.counts["accepted" if accepted else "refused"] += 1
        line = {"at": time.time(), **mail, "accepted": accepted, "answer": code}
        if code in CLOSING:
            line["retry_after"] = self.retry_after()
        self._log.write(line, lambda: self._answer(accepted, mail, lambda: answer(code)))

    def before_body(self, mail: dict[str, Any], answer: Callable[[], None]) -> None:
        """The moment before the body may leave: answered at once, or held."""
        if not self._is_held("data", mail, answer):
            answer()

    def hangs_up_on(self, recipient: str) -> bool:
        """Whether an SMTP dialogue ends with 421 as soon as it names the recipient."""
        return self._draw(recipient, {"421": self.plan.refuse.get("421", 0)}) == "421"

    def retry_after(self) -> int:
        """Whole seconds for which the service stays closed."""
        return max(1, math.ceil(self._closed_until - time.time()))

    def release(self) -> None:
        releases, self._releases, self.held = self._releases, [], []
        for release in releases:
            release()

    def _decide(self, mail: dict[str, Any]) -> str:
        is_http = mail["via"] == "http"
        if is_http and time.time() < self._closed_until:
            return "429"
        mine = CLOSING if is_http else ("451",)
        refused = {code: share for code, share in self.plan.refuse.items() if code in mine}
        code = self._draw(mail["to"], {"hang": self.plan.hang, "reset": self.plan.reset, **refused})
        if code in CLOSING:
            self._closed_until = time.time() + self.plan.retry_after
        return code

    def _draw(self, recipient: str, shares: dict[str, float]) -> str:
        """What the seed has for the recipient among these; a recipient is refused once."""
        edge, drawn = 0.0, random.Random(f"{self._seed} {recipient}").random()  # noqa: S311 - repeatable
        for code, share in shares.items():
            edge += share
            if drawn < edge:
                if code not in TAKEN and (recipient, code) in self._refused:
                    return "250"
                self._refused.add((recipient, code))
                return code
        return "250"

    def _answer(self, accepted: bool, mail: dict[str, Any], then: Callable[[], None]) -> None:
        """Answer a logged mail: held, after the latency, and if it is accepted in its turn."""
        if self._is_held("dot", mail, then):
            return
        if accepted and self.plan.pace:
            self._in_turn.append(then)
            self.keep_pace()
        elif self.plan.latency:
            asyncio.get_running_loop().call_later(self.plan.latency, then)
        else:
            then()

    def keep_pace(self) -> None:
        """Give the answers whose turn it is. Called again at the next one's turn, and with a new pace."""
        if self._next_turn:
            self._next_turn.cancel()
            self._next_turn = None
        interval = 1 / self.plan.pace if self.plan.pace else 0
        while self._in_turn:
            now = time.monotonic()
            if self._last_turn + interval > now:
                wait = self._last_turn + interval - now
                self._next_turn = asyncio.get_running_loop().call_later(wait, self.keep_pace)
                return
            # A loop that was late makes up for it, within reason.
            self._last_turn = max(self._last_turn + interval, now - LATE_SECONDS)
            self._in_turn.popleft()()

    def _is_held(self, point: str, mail: dict[str, Any], then: Callable[[], None]) -> bool:
        if self.plan.hold != point:
            return False
        self.plan.hold = ""
        self.held.append({"point": point, **mail})
        self._releases.append(then)
        return True


class Connection(asyncio.Protocol):
    """Replies leave in the order of what they answer, whenever they become known."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.buffer = bytearray()
        # Hangs up when everything that was asked is answered.
        self.leaving = False
        self._slots: deque[list[bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.port = transport.get_extra_info("peername")[1]
        self.provider.counts["connections"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.provider.counts["connections"] -= 1

    def slot(self) -> Callable[[bytes], None]:
        """A place in the order of replies, and the function that fills it."""
        place: list[bytes] = []
        self._slots.append(place)

        def fill(reply: bytes) -> None:
            place.append(reply)
            while self._slots and self._slots[0]:
                self.transport.write(self._slots.popleft()[0])
            if self.leaving and not self._slots:
                self.transport.close()

        return fill

    def reset(self) -> None:
        """Hang up without a word, so that the client reads "connection reset"."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Smtp(Connection):
    """SMTP with PIPELINING (RFC 2920): whole dialogues may come in one write."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.recipient = ""
        self.in_body = False
        self.slot()(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while not self.leaving and self._step():
            pass

    def _step(self) -> bool:
        end = self.buffer.find(END_OF_BODY if self.in_body else b"\r\n")
        if end < 0:
            return False
        size = end + (len(END_OF_BODY) if self.in_body else 2)
        taken = bytes(self.buffer[:end])
        del self.buffer[:size]
        if self.in_body:
            self.in_body = False
            self._take(taken)
        else:
            self._obey(taken.decode("latin-1"))
        return True

    def _obey(self, line: str) -> None:
        verb = line[:4].upper()
        answer = self.slot()
        if verb == "EHLO":
            answer(b"250-sink\r\n250-PIPELINING\r\n250 SIZE 50000000\r\n")
        elif verb == "RCPT":
            self.recipient = line.partition("<")[2].partition(">")[0].lower()
            if self.provider.hangs_up_on(self.recipient):
                self.provider.counts["hung_up"] += 1
                self.leaving = True
                answer(b"421 4.3.2 closing\r\n")
            else:
                answer(b"250 ok\r\n")
        elif verb == "DATA":
            self.in_body = True
            self.provider.before_body(
                {"to": self.recipient, "port": self.port}, lambda: answer(b"354 go on\r\n")
            )
        elif verb == "QUIT":
            self.leaving = True
            answer(b"221 bye\r\n")
        else:
            answer(b"250 ok\r\n")

    def _take(self, body: bytes) -> None:
        answer = self.slot()

        def say(code: str) -> None:
            if code == "reset":
                self.reset()
            elif code == "250":
                answer(b"250 2.0.0 Ok: queued as %X\r\n" % time.time_ns())
            elif code != "hang":
                answer(f"{code} 4.0.0 not now\r\n".encode())

        self.provider.receive({"row": row(body), "to": self.recipient, "port": self.port, "via": "smtp"}, say)


class Http(Connection):
    """HTTP in the shape of Postmark's POST /email."""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", bytes(self.buffer[: max(end, 0)]))
        size = end + 4 + (int(length[1]) if length else 0)
        if end < 0 or len(self.buffer) < size:
            return False
        body = bytes(self.buffer[end + 4 : size])
        del self.buffer[:size]
        self._take(body)
        return True

    def _take(self, body: bytes) -> None:
        answer = self.slot()
        to = json.loads(body)["To"].rpartition("<")[2].rstrip("> ").lower()

        def say(code: str) -> None:
            if code == "reset":
                self.reset()
            elif code == "250":
                answer(reply("200 OK", {"To": to, "MessageID": f"{time.time_ns():X}", "ErrorCode": 0}))
            elif code != "hang":
                header = f"Retry-After: {self.provider.retry_after()}\r\n"
                answer(reply(f"{code} Not Now", {"ErrorCode": int(code), "Message": "not now"}, header))

        self.provider.receive({"row": row(body), "to": to, "port": self.port, "via": "http"}, say)


def row(message: bytes) -> int:
    """The ledger row that a message names; 0 where it names none."""
    found = MESSAGE_ID.search(message) or METADATA.search(message)
    return int(found[1]) if found else 0


def reply(status: str, body: dict[str, Any], header: str = "") -> bytes:
    content = json.dumps({"Message": "OK", "SubmittedAt": "2026-01-01T00:00:00Z", **body}).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{header}Content-Length: {len(content)}\r\n"
    )
    return head.encode() + b"\r\n" + content


async def control(provider: Provider, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a line {"set": {...}}, {"release": true} or {} with the state after it."""
    while line := await reader.readline():
        order = json.loads(line)
        for name, value in order.get("set", {}).items():
            setattr(provider.plan, name, value)
        provider.keep_pace()
        if order.get("release"):
            provider.release()
        state = {**provider.counts, "held": provider.held}
        writer.write(json.dumps(state).encode() + b"\n")
        await writer.drain()
    writer.close()


async def serve(log: str, seed: str) -> None:
    loop = asyncio.get_running_loop()
    provider = Provider(Log(log), seed)
    smtp = await loop.create_server(lambda: Smtp(provider), "127.0.0.1", 0, backlog=1000)
    http = await loop.create_server(lambda: Http(provider), "127.0.0.1", 0, backlog=1000)
    orders = await asyncio.start_server(lambda r, w: control(provider, r, w), "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (smtp, http, orders)]
    sys.stdout.write(json.dumps(dict(zip(("smtp", "http", "control"), ports, strict=True))) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:3]))
