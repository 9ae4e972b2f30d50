"""The SMTP transport against a server that misbehaves at every step, with and without PIPELINING."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from delivery.errors.base import Verdict
from delivery.transports.smtp import Server, SmtpTransport
from tests.delivery.over_smtp import (
    LARGE,
    MESSAGE,
    A,
    N,
    P,
    Pulled,
    S,
    U,
    V,
    address,
    at,
    be_impatient,
    mail,
    recipients,
    send,
    verdicts,
)
from tests.smtp_stub import Act, SmtpStub

SILENCES = (Act.HANG, Act.DRIP)


@pytest.fixture(params=[False, True], ids=["plain", "pipelining"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


# step, what the server does there once, the mail's verdict
OPENING_FAULTS = [
    ("GREETING", "421 4.3.2 too busy", V),
    ("GREETING", "451 later", V),
    ("GREETING", "554 5.7.1 no service for you", S),
    ("GREETING", "HTTP/1.1 400 Bad Request", V),
    ("GREETING", Act.CLOSE, V),
    ("GREETING", Act.RESET, V),
    ("GREETING", Act.HANG, V),
    ("GREETING", Act.DRIP, V),
    ("EHLO", "421 closing", V),
    ("EHLO", "550 go away", S),
    ("EHLO", Act.CLOSE, V),
    ("EHLO", Act.DRIP, V),
]
FAULTS = [
    ("MAIL", "451 4.3.0 try later", N),
    ("MAIL", "452 4.3.1 no space", N),
    ("MAIL", "530 5.7.0 authentication required", S),
    ("MAIL", "535 5.7.8 bad credentials", S),
    ("MAIL", "538 5.7.11 encryption required", S),
    ("MAIL", "550 5.7.1 sender not allowed", S),
    ("MAIL", "553 5.1.8 bad sender", S),
    ("MAIL", "552 5.3.4 too large", P),
    ("MAIL", Act.HANG, N),
    ("RCPT", "450 4.2.1 greylisted", N),
    ("RCPT", "451 local error", N),
    ("RCPT", "452 4.2.2 mailbox full", N),
    ("RCPT", "503 5.5.1 out of step", N),
    ("RCPT", "550 5.1.1 no such user", P),
    ("RCPT", "551 5.1.6 moved", P),
    ("RCPT", "553 5.1.3 bad address", P),
    ("RCPT", "554 5.7.1 refused by the recipient", P),
    ("RCPT", "554 5.7.1 <x@example.com>: Relay access denied", S),
    ("RCPT", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", S),
    ("RCPT", "530 authenticate first", S),
    ("DATA", "451 later", N),
    ("DATA", "554 5.5.1 no valid recipients", P),
    ("DATA", Act.HANG, N),
    ("DOT", "421 4.3.0 closing", V),
    ("DOT", "451 4.3.0 try later", N),
    ("DOT", "452 no space", N),
    ("DOT", "552 5.3.4 too large", P),
    ("DOT", "554 5.7.1 looks like spam", P),
    ("DOT", "550 5.7.26 this mail is unauthenticated", S),
    ("DOT", "354 again?", U),
    ("DOT", "Internal Server Error", U),
    ("DOT", "2" * 9000, U),
    ("DOT", Act.CLOSE, U),
    ("DOT", Act.RESET, U),
    ("DOT", Act.HANG, U),
    ("DOT", Act.DRIP, U),
]
# The connection ends before the mail has left and says nothing about it: the mail gets another one. The
# verdict is for the second time.
LOSSES = [
    ("MAIL", "421 4.7.0 too many messages", V),
    ("MAIL", "hello", N),
    ("MAIL", Act.CLOSE, N),
    ("MAIL", Act.RESET, N),
    ("RCPT", "421 4.4.5 closing", V),
    ("RCPT", "what?", N),
    ("RCPT", Act.CLOSE, N),
    ("DATA", "421 closing", V),
    ("DATA", "250 not what was asked", N),
    ("DATA", Act.CLOSE, N),
]


@pytest.mark.parametrize(("step", "fault", "verdict"), OPENING_FAULTS)
def test_a_fault_while_connecting_ends_the_delivery_after_the_one_mail_in_hand(
    step: str, fault: str | Act, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault in SILENCES:
        be_impatient(monkeypatch)
    with SmtpStub(**{step: [fault]}) as stub:
        [answer] = send(at(stub), mail(1), mail(2))
        assert answer.verdict is verdict
        assert answer.error
        assert (stub.received, stub.connections) == ([], 1)


@pytest.mark.parametrize("nth", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize(("step", "fault", "verdict"), FAULTS)
def test_every_fault_gets_its_verdict_and_the_next_mail_goes_its_way(
    step: str, fault: str | Act, verdict: Verdict, nth: int, pipelining: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault in SILENCES:
        be_impatient(monkeypatch)
    with SmtpStub(pipelining=pipelining, **{step: [None] * nth + [fault]}) as stub:
        answers = send(at(stub), *(mail(i) for i in range(nth + 3)))
        assert verdicts(answers)[: nth + 1] == [A] * nth + [verdict]
        assert answers[nth].error
        # No further mail could leave, but one that was begun behind the others may end.
        rest = answers[nth + 1 :]
        assert len(rest) <= 1 if verdict in (V, S) else verdicts(rest) == [A, A]
        assert set(verdicts(rest)) <= {A, verdict}
        assert recipients(stub) == [address(each.row_id) for each in answers if each.verdict is A]
        # A mail that may be sent again was not received whole; a refused one was at most refused.
        if step != "DOT":
            assert stub.received == stub.accepted


@pytest.mark.parametrize("nth", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize(("step", "fault", "verdict"), LOSSES)
def test_a_mail_that_loses_its_connection_before_it_left_goes_over_another_one(
    step: str, fault: str | Act, verdict: Verdict, nth: int, pipelining: bool
) -> None:
    with SmtpStub(pipelining=pipelining, **{step: [None] * nth + [fault]}) as stub:
        assert verdicts(send(at(stub), *(mail(i) for i in range(4)))) == [A] * 4
        assert stub.connections == 2
        assert recipients(stub) == [address(i) for i in range(4)]


@pytest.mark.parametrize(("step", "fault", "verdict"), LOSSES)
def test_a_mail_gets_another_connection_only_once(
    step: str, fault: str | Act, verdict: Verdict, pipelining: bool
) -> None:
    with SmtpStub(pipelining=pipelining, **{step: [None, fault, fault]}) as stub:
        answers = send(at(stub), *(mail(i) for i in range(3)))
        assert verdicts(answers) == ([A, V] if verdict is V else [A, verdict, A])
        assert answers[1].error


def test_a_last_reply_that_breaks_off_leaves_the_mail_unknown(pipelining: bool) -> None:
    with SmtpStub(pipelining=pipelining, DOT=["250-half a reply"], AFTER=[Act.CLOSE]) as stub:
        assert verdicts(send(at(stub), mail(1), mail(2))) == [U, A]


@pytest.mark.parametrize("fault", [Act.CLOSE, Act.RESET, Act.HANG])
def test_a_body_whose_end_never_left_is_not_sent(
    fault: Act, pipelining: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault in SILENCES:
        be_impatient(monkeypatch)
    with SmtpStub(pipelining=pipelining, EARLY=[fault]) as stub:
        assert verdicts(send(at(stub), mail(1, LARGE), mail(2), mail(3))) == [N, A, A]
        assert len(stub.received) == 2


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [("552 5.3.4 too large", P), ("451 later", N), ("250 ok already", N)],
)
def test_a_reply_before_the_end_of_the_body_has_left_is_never_an_acceptance(
    reply: str, verdict: Verdict, pipelining: bool
) -> None:
    with SmtpStub(pipelining=pipelining, EARLY=[reply], REST=[Act.HANG]) as stub:
        assert send(at(stub), mail(1, LARGE), mail(2))[0].verdict is verdict
        assert stub.received == stub.accepted


def test_a_body_that_left_whole_is_unknown_even_if_the_server_has_not_read_it(pipelining: bool) -> None:
    with SmtpStub(pipelining=pipelining, BODY=[Act.CLOSE]) as stub:
        assert verdicts(send(at(stub), mail(1), mail(2))) == [U, A]


@pytest.mark.parametrize("size", [len(LARGE), 10])
def test_a_message_that_the_server_asks_for_after_all_is_ended_and_reset(size: int) -> None:
    with SmtpStub(pipelining=True, RCPT=["550 5.1.1 no such user"], DATA=["354 go on"]) as stub:
        assert verdicts(send(at(stub), mail(1, LARGE[:size]), mail(2), mail(3))) == [P, A, A]
        assert recipients(stub) == [address(2), address(3)]
        assert (stub.connections, stub.commands.count("RSET")) == (1, 1)


def test_replies_may_come_in_pieces(pipelining: bool) -> None:
    with SmtpStub(pipelining=pipelining, in_pieces=True, RCPT=[None, "550-no\r\n550 such user"]) as stub:
        assert verdicts(send(at(stub), *(mail(i) for i in range(4)))) == [A, P, A, A]
        assert stub.connections == 1


def test_where_the_server_offers_it_the_next_commands_do_not_wait_for_replies() -> None:
    """This server replies only to groups that have come whole (RFC 2920, 3.1)."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        transport = SmtpTransport(Server(*listener.getsockname()))
        answers = pool.submit(lambda: list(transport.deliver(Pulled(mail(1), mail(2)), lambda row_id: None)))
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as file:
            for group, reply in (
                ([], b"220 hello"),
                ([b"ehlo"], b"250-hello\r\n250 PIPELINING"),
                ([b"MAIL", b"RCPT", b"DATA"], b"250 ok\r\n250 ok\r\n354 go on"),
                (
                    [*MESSAGE.splitlines(), b".", b"MAIL", b"RCPT", b"DATA"],
                    b"250 1\r\n250 ok\r\n250 ok\r\n354 go on",
                ),
                ([*MESSAGE.splitlines(), b"."], b"250 2"),
            ):
                for start in group:
                    assert file.readline().startswith(start)
                file.write(reply + b"\r\n")
                file.flush()
        assert verdicts(answers.result(10)) == [A, A]
        transport.close()
