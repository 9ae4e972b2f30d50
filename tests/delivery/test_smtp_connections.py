"""The SMTP transport over several connections: what goes wrong on one is not felt on the others."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from campaigns.models import Sender
from delivery.errors.base import Verdict
from delivery.transports.base import Mail
from delivery.transports.smtp import Server, SmtpTransport, patience
from tests.delivery.over_smtp import (
    LARGE,
    A,
    N,
    U,
    V,
    address,
    at,
    be_impatient,
    deliver,
    mail,
    recipients,
    verdicts,
)
from tests.servers import free_port
from tests.smtp_stub import Act, SmtpStub, self_signed

Decide = Callable[[int, str], str | Act | None]


@pytest.fixture(autouse=True)
def fast_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "GROW_SECONDS", 0.01)


@pytest.fixture(params=[False, True], ids=["plain", "pipelining"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def mails(count: int) -> list[Mail]:
    return [mail(i) for i in range(count)]


def together(count: int) -> Decide:
    """At the end of a message each connection waits for so many others to come as far."""
    barrier = threading.Barrier(count)

    def decide(connection: int, step: str) -> None:
        if step == "DOT":
            barrier.wait(30)

    return decide


def after(connections: int, decide: Decide = lambda connection, step: None) -> Decide:
    """The first message is only acknowledged when so many connections have come."""
    enough = threading.Event()

    def wait(connection: int, step: str) -> str | Act | None:
        if connection >= connections:
            enough.set()
        if step == "DOT":
            enough.wait(30)
        return decide(connection, step)

    return wait


def test_mails_are_on_their_way_over_all_connections_at_once(pipelining: bool) -> None:
    with SmtpStub(pipelining=pipelining, decide=together(4)) as stub:
        transport = SmtpTransport(at(stub), connections=4)
        assert verdicts(deliver(transport, *mails(40))) == [A] * 40
        transport.close()
        assert (stub.connections, stub.most_open) == (4, 4)
        assert len(set(recipients(stub))) == 40
        assert [line.upper() for line in stub.commands].count("QUIT") == 4


def test_connections_are_kept_between_calls(pipelining: bool) -> None:
    with SmtpStub(pipelining=pipelining, decide=together(3)) as stub:
        transport = SmtpTransport(at(stub), connections=3)
        for _ in range(3):
            assert verdicts(deliver(transport, *mails(9))) == [A] * 9
        transport.close()
        assert stub.connections == 3


def test_the_first_connection_must_stand_before_others_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)
    with SmtpStub(GREETING=Act.HANG) as stub:
        transport = SmtpTransport(at(stub), connections=8)
        assert verdicts(deliver(transport, *mails(3))) == [V]
        transport.close()
        assert stub.connections == 1


def test_few_mails_need_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "GROW_SECONDS", 30.0)
    with SmtpStub(pipelining=True) as stub:
        transport = SmtpTransport(at(stub), connections=8)
        assert verdicts(deliver(transport, *mails(20))) == [A] * 20
        transport.close()
        assert stub.connections == 1


@pytest.mark.parametrize(
    "over_limit", ["421 4.7.0 too many", "554 too many", "535 too many log-ins", Act.CLOSE, Act.RESET]
)
def test_a_server_that_takes_few_connections_gets_few_and_all_mails(
    over_limit: str | Act, pipelining: bool
) -> None:
    with SmtpStub(pipelining=pipelining, limit=2, over_limit=over_limit, decide=after(4)) as stub:
        transport = SmtpTransport(at(stub), connections=8)
        assert verdicts(deliver(transport, *mails(20))) == [A] * 20
        tried = stub.connections
        assert verdicts(deliver(transport, *mails(200))) == [A] * 200
        transport.close()
        # Two stand, so two at a time were tried; since then none.
        assert (tried, stub.connections) == (4, 4)


def test_a_connection_that_is_refused_at_its_first_mail_does_not_stop_the_others(pipelining: bool) -> None:
    def decide(connection: int, step: str) -> str | None:
        return "421 4.7.0 too many connections" if connection > 1 and step == "MAIL" else None

    with SmtpStub(pipelining=pipelining, decide=after(2, decide)) as stub:
        transport = SmtpTransport(at(stub), connections=3)
        assert verdicts(deliver(transport, *mails(30))) == [A] * 30
        transport.close()
        assert len(recipients(stub)) == len(set(recipients(stub))) == 30


def test_an_opening_that_hangs_holds_up_no_mail(pipelining: bool) -> None:
    def decide(connection: int, step: str) -> Act | None:
        return Act.HANG if connection > 1 else None

    with SmtpStub(pipelining=pipelining, decide=after(2, decide)) as stub:
        transport = SmtpTransport(at(stub), connections=2)
        assert verdicts(deliver(transport, *mails(20))) == [A] * 20
        transport.close()
        assert stub.connections == 2


def test_a_connection_that_hangs_leaves_one_mail_unknown_and_the_others_go_on(
    pipelining: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch)
    hung = threading.Event()

    def decide(connection: int, step: str) -> Act | None:
        if connection != 2 or step != "DOT":
            return None
        hung.set()
        return Act.HANG

    def some_more() -> Iterator[Mail]:
        yield from iter_until(hung)
        yield from (mail(i) for i in range(100_000, 100_010))

    with SmtpStub(pipelining=pipelining, decide=decide) as stub:
        transport = SmtpTransport(at(stub), connections=2)
        answers = list(transport.deliver(some_more(), lambda row_id: None))
        transport.close()
        assert verdicts(answers).count(U) == 1
        assert verdicts(answers).count(A) == len(answers) - 1 == len(set(recipients(stub)))


def iter_until(event: threading.Event) -> Iterator[Mail]:
    return (mail(i) for i in takewhile(lambda i: not event.is_set(), range(100_000)))


def test_an_error_of_the_caller_comes_out_after_the_answers_for_what_had_left(pipelining: bool) -> None:
    def failing() -> Iterator[Mail]:
        yield from mails(5)
        raise LookupError("the database is gone")

    answers = []
    with SmtpStub(pipelining=pipelining) as stub:
        transport = SmtpTransport(at(stub))
        with pytest.raises(LookupError):
            answers.extend(transport.deliver(failing(), lambda row_id: None))
        transport.close()
        assert len(recipients(stub)) == 5


def test_a_mail_whose_leaving_cannot_be_noted_does_not_leave(pipelining: bool) -> None:
    def leaving(row_id: int) -> None:
        if row_id == 2:
            raise OSError("disk full")

    with SmtpStub(pipelining=pipelining) as stub:
        transport = SmtpTransport(at(stub))
        with pytest.raises(OSError, match="disk full"):
            list(transport.deliver(iter(mails(5)), leaving))
        transport.close()
        assert [each.recipient for each in stub.received] == [
            "customer0@example.com",
            "customer1@example.com",
        ]


def test_what_is_heard_after_a_delivery_that_was_left_is_not_taken_for_another_mails_answer(
    pipelining: bool,
) -> None:
    with SmtpStub(pipelining=pipelining, DOT=[None, "550 5.7.1 not this one"]) as stub:
        transport = SmtpTransport(at(stub))
        with contextlib.closing(transport.deliver(iter(mails(3)), lambda row_id: None)) as delivery:
            assert next(delivery).verdict is A
        assert stub.connections == 1
        answers = deliver(transport, mail(7), mail(8))
        transport.close()
        assert [each.row_id for each in answers] == [7, 8]
        # In plain dialogue nothing was on its way yet.
        assert stub.connections == (2 if pipelining else 1)


def test_a_caller_that_takes_its_time_does_not_make_the_server_late(
    pipelining: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch)
    with SmtpStub(pipelining=pipelining) as stub:
        transport = SmtpTransport(at(stub))
        answers = []
        for answer in transport.deliver(iter(mails(3)), lambda row_id: None):
            answers.append(answer)
            # As a caller does whose database is slow.
            time.sleep(patience.REPLY_SECONDS + 0.1)
        transport.close()
        assert verdicts(answers) == [A] * 3
        assert stub.connections == 1


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    context, certificate = self_signed(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return context


def test_tls_connections_are_kept_and_pipelined(tls: ssl.SSLContext, pipelining: bool) -> None:
    with SmtpStub(pipelining=pipelining, tls=tls, decide=together(3)) as stub:
        server = Server(stub.host, stub.port, Sender.Security.STARTTLS)
        transport = SmtpTransport(server, connections=3)
        for _ in range(2):
            assert verdicts(deliver(transport, *mails(9))) == [A] * 9
        transport.close()
        assert stub.connections == 3
        assert [each.message for each in stub.accepted] == [mail(0).message] * 18


@pytest.mark.parametrize(
    ("step", "fault", "verdict"),
    [("EARLY", Act.CLOSE, N), ("EARLY", Act.HANG, N), ("DOT", Act.CLOSE, U), ("DOT", Act.HANG, U)],
)
def test_what_has_left_whole_over_tls_is_known_to_the_byte(
    tls: ssl.SSLContext,
    step: str,
    fault: Act,
    verdict: Verdict,
    pipelining: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault is Act.HANG:
        be_impatient(monkeypatch)
    several_records = b"Subject: long\r\n\r\n" + b"x\r\n" * 20_000
    messages = [LARGE if step == "EARLY" else several_records, several_records, mail(3).message]
    with SmtpStub(pipelining=pipelining, tls=tls, tls_at_once=True, **{step: [fault]}) as stub:
        transport = SmtpTransport(Server(stub.host, stub.port, Sender.Security.TLS))
        answers = deliver(transport, *(mail(i, message) for i, message in enumerate(messages)))
        transport.close()
        assert verdicts(answers) == [verdict, A, A]
        assert [each.message for each in stub.accepted] == messages[1:]


class Kept(list[Envelope]):
    """Another implementation's server, which offers PIPELINING."""

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.append(envelope)
        return "250 2.0.0 Ok"


def test_another_implementations_server_takes_pipelined_mails_as_they_are() -> None:
    messages = [b"Subject: %d\r\n\r\n.\r\n..%d\r\n" % (i, i) for i in range(200)]
    kept = Kept()
    controller = Controller(kept, "127.0.0.1", free_port(), server_hostname="other.example")
    controller.start()
    try:
        transport = SmtpTransport(Server(controller.hostname, controller.port), connections=4)
        answers = deliver(transport, *(mail(i, message) for i, message in enumerate(messages)))
        transport.close()
    finally:
        controller.stop()
    assert verdicts(answers) == [A] * 200
    assert {each.rcpt_tos[0]: each.content for each in kept} == {
        address(i): message for i, message in enumerate(messages)
    }
    assert len(kept) == 200
