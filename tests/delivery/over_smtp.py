"""What the tests of the SMTP transport share: mails, and a delivery that is watched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.errors.base import Verdict
from delivery.transports.base import Answer, Mail
from delivery.transports.smtp import Server, SmtpTransport, patience
from tests.smtp_stub import SmtpStub

A, N, P, U = Verdict.ACCEPTED, Verdict.NOT_SENT, Verdict.PERMANENT, Verdict.UNKNOWN
S, V = Verdict.SENDER, Verdict.UNAVAILABLE

MESSAGE = b"From: news@acme.example\r\nSubject: Hi\r\n\r\nHello\r\n"
# More than the socket buffers of both sides hold: the write cannot end before the server reads.
LARGE = b"Subject: large\r\n\r\n" + (b"x" * 998 + b"\r\n") * 24_000


def be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECT_SECONDS", "REPLY_SECONDS", "LAST_REPLY_SECONDS", "QUIT_SECONDS"):
        monkeypatch.setattr(patience, name, 0.5)
    monkeypatch.setattr(patience, "OPEN_SECONDS", 1.0)
    monkeypatch.setattr(patience, "TICK_SECONDS", 0.02)


def mail(row_id: int, message: bytes = MESSAGE, recipient: str = "") -> Mail:
    return Mail(row_id, "news@acme.example", recipient or address(row_id), message)


def address(row_id: int) -> str:
    return f"customer{row_id}@example.com"


class Pulled(Iterator[Mail]):
    """Mails that remember how many of them were pulled."""

    def __init__(self, *mails: Mail) -> None:
        self._mails = iter(mails)
        self.count = 0

    def __next__(self) -> Mail:
        pulled = next(self._mails)
        self.count += 1
        return pulled


def at(stub: SmtpStub) -> Server:
    return Server(stub.host, stub.port, ehlo_name="acme.example")


def send(server: Server, *mails: Mail) -> list[Answer]:
    """Deliver over one connection at a time; check that each pulled mail has its one answer, in order,
    and that a mail leaves only when the caller has the answers for all that left before it.
    """
    transport = SmtpTransport(server)
    pulled, left, answers = Pulled(*mails), list[int](), list[Answer]()

    def leaving(row_id: int) -> None:
        assert {answer.row_id for answer in answers} >= set(left)
        left.append(row_id)

    for answer in transport.deliver(pulled, leaving):
        answers.append(answer)
    transport.close()
    assert [answer.row_id for answer in answers] == [each.row_id for each in mails[: pulled.count]]
    assert len(set(left)) == len(left)
    assert set(left) >= {each.row_id for each in answers if each.verdict in (A, U)}
    return answers


def deliver(transport: SmtpTransport, *mails: Mail) -> list[Answer]:
    return list(transport.deliver(iter(mails), lambda row_id: None))


def verdicts(answers: list[Answer]) -> list[Verdict]:
    return [answer.verdict for answer in answers]


def recipients(stub: SmtpStub) -> list[str]:
    return [each.recipient for each in stub.accepted]
