"""The SMTP transport through random faults: what must hold whatever the server does."""

from __future__ import annotations

import random

import pytest

from delivery.errors.base import Verdict
from delivery.transports.base import Answer
from delivery.transports.smtp import SmtpTransport, patience
from tests.delivery.over_smtp import A, Pulled, U, at, be_impatient, mail
from tests.smtp_stub import Act, SmtpStub

MAILS = 80
STEPS = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "DOT", "AFTER", "RSET")
FAULTS = (
    Act.CLOSE,
    Act.CLOSE,
    Act.RESET,
    "421 4.3.2 closing",
    "451 4.3.0 later",
    "550 5.1.1 no such user",
    "530 5.7.0 log in first",
    "354 go on",
    "what?",
)


class Server:
    """Decides at random, from a seed, what goes wrong; hangs only a few times, since that takes long."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._hangs = 2

    def decide(self, connection: int, step: str) -> str | Act | None:
        if step not in STEPS or self._random.random() > 0.04:
            return None
        if self._hangs and self._random.random() < 0.1:
            self._hangs -= 1
            return Act.HANG
        return self._random.choice(FAULTS)


class Watch:
    """The caller: it asks for every mail that was surely not accepted again, and notes what it is told."""

    def __init__(self, transport: SmtpTransport, connections: int) -> None:
        self.transport = transport
        self.connections = connections
        self.open = {i: mail(i) for i in range(MAILS)}
        self.ends: dict[int, Verdict] = {}
        self._on_their_way: set[int] = set()

    def deliver_until_all_have_an_end(self) -> None:
        for _ in range(1000):
            if self.open:
                self._deliver()
        assert self.open == {}

    def _deliver(self) -> None:
        pulled = Pulled(*self.open.values())
        wanted = list(self.open)
        answers = []
        for answer in self.transport.deliver(pulled, self._leaving):
            self._on_their_way.discard(answer.row_id)
            answers.append(answer)
            self._note(answer)
        assert sorted(answer.row_id for answer in answers) == sorted(wanted[: pulled.count])
        assert not self._on_their_way

    def _leaving(self, row_id: int) -> None:
        assert row_id in self.open
        assert row_id not in self._on_their_way
        self._on_their_way.add(row_id)
        assert len(self._on_their_way) <= self.connections

    def _note(self, answer: Answer) -> None:
        if answer.verdict in (A, U, Verdict.PERMANENT):
            del self.open[answer.row_id]
            self.ends[answer.row_id] = answer.verdict


@pytest.mark.parametrize("seed", range(16))
def test_no_mail_is_taken_twice_and_every_verdict_is_true(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)
    monkeypatch.setattr(patience, "GROW_SECONDS", 0.0)
    monkeypatch.setattr(patience, "LIMIT_SECONDS", 0.01)
    connections = 1 + seed % 4
    with SmtpStub(pipelining=seed % 8 < 4, in_pieces=seed % 5 == 0, decide=Server(seed).decide) as stub:
        transport = SmtpTransport(at(stub), connections)
        watch = Watch(transport, connections)
        watch.deliver_until_all_have_an_end()
        transport.close()
    accepted = [each.recipient for each in stub.accepted]
    assert len(accepted) == len(set(accepted))
    for row_id, end in watch.ends.items():
        if end is not U:
            assert (mail(row_id).recipient in accepted) is (end is A)
    assert all(each.message == mail(0).message for each in stub.received)
