"""A small name server on loopback, for tests of what asks the DNS."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 60


class DnsStub:
    """Listens on a free port: `with DnsStub({"acme.example TXT": ["v=spf1 -all"]}) as stub: ...`.

    A name that is in no record does not exist. Of those in `silent` nothing is ever said, for those in
    `broken` the server fails. TXT records are given without quotes.
    """

    def __init__(
        self,
        records: Mapping[str, Collection[str]] | None = None,
        *,
        silent: Collection[str] = (),
        broken: Collection[str] = (),
    ) -> None:
        self.records = {tuple(key.split()): list(values) for key, values in (records or {}).items()}
        self.asked: Counter[str] = Counter()
        self._silent, self._broken = frozenset(silent), frozenset(broken)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        # A datagram that is no question ends the loop.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while True:
            asked, peer = self._socket.recvfrom(4096)
            if not asked:
                return
            reply = self._reply(dns.message.from_wire(asked))
            if reply is not None:
                self._socket.sendto(reply.to_wire(), peer)

    def _reply(self, query: dns.message.Message) -> dns.message.Message | None:
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[f"{name} {kind}"] += 1
        if name in self._silent:
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        if name in self._broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif values := self.records.get((name, kind)):
            reply.answer.append(self._answer(question, kind, values))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

    @staticmethod
    def _answer(question: dns.rrset.RRset, kind: str, values: list[str]) -> dns.rrset.RRset:
        if kind == "TXT":
            # A string of a record has 255 bytes at most; longer ones come in several.
            values = [
                " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
                for text in values
            ]
        return dns.rrset.from_text(question.name, TTL, "IN", kind, *values)
