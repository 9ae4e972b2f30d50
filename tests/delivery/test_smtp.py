"""The SMTP transport against a server that misbehaves at every step."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from delivery.errors import Verdict
from delivery.transports import smtp
from delivery.transports.base import Answer, Mail
from delivery.transports.smtp import Server, SmtpTransport
from tests.smtp_stub import Act, SmtpStub

MESSAGE = b"From: news@acme.example\r\nSubject: Hi\r\n\r\nHello\r\n"
# More than the socket buffers of both sides hold: the write cannot end before the server reads.
LARGE = b"Subject: large\r\n\r\n" + (b"x" * 998 + b"\r\n") * 24_000


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECT_SECONDS", "REPLY_SECONDS", "QUIT_SECONDS"):
        monkeypatch.setattr(smtp, name, 0.5)


def mail(row_id: int, message: bytes = MESSAGE, recipient: str = "") -> Mail:
    return Mail(row_id, "news@acme.example", recipient or f"customer{row_id}@example.com", message)


class Pulled(Iterator[Mail]):
    """Mails that remember how many of them were pulled."""

    def __init__(self, *mails: Mail) -> None:
        self._mails = iter(mails)
        self.count = 0

    def __next__(self) -> Mail:
        pulled = next(self._mails)
        self.count += 1
        return pulled


def send(stub: SmtpStub, *mails: Mail) -> list[Answer]:
    """Deliver over one transport; checks that each pulled mail has its one answer, in order."""
    transport = SmtpTransport(Server(stub.host, stub.port, ehlo_name="acme.example"))
    pulled = Pulled(*mails)
    answers = list(transport.deliver(pulled))
    transport.close()
    assert [answer.row_id for answer in answers] == [each.row_id for each in mails[: pulled.count]]
    return answers


def verdicts(answers: list[Answer]) -> list[Verdict]:
    return [answer.verdict for answer in answers]


A, N, P, U, S = Verdict.ACCEPTED, Verdict.NOT_SENT, Verdict.PERMANENT, Verdict.UNKNOWN, Verdict.SENDER

# step, what the server does there the first time, verdict on the mail in hand
FAULTS = [
    ("GREETING", "421 4.3.2 too busy", N),
    ("GREETING", "451 later", N),
    ("GREETING", "554 5.7.1 no service for you", S),
    ("GREETING", "HTTP/1.1 400 Bad Request", N),
    ("GREETING", Act.CLOSE, N),
    ("GREETING", Act.RESET, N),
    ("GREETING", Act.HANG, N),
    ("EHLO", "421 closing", N),
    ("EHLO", "550 go away", S),
    ("EHLO", Act.CLOSE, N),
    ("MAIL", "421 4.7.0 too many messages", N),
    ("MAIL", "451 4.3.0 try later", N),
    ("MAIL", "452 4.3.1 no space", N),
    ("MAIL", "530 5.7.0 authentication required", S),
    ("MAIL", "535 5.7.8 bad credentials", S),
    ("MAIL", "538 5.7.11 encryption required", S),
    ("MAIL", "550 5.7.1 sender not allowed", S),
    ("MAIL", "553 5.1.8 bad sender", S),
    ("MAIL", "552 5.3.4 too large", P),
    ("MAIL", "hello", N),
    ("MAIL", Act.CLOSE, N),
    ("MAIL", Act.RESET, N),
    ("MAIL", Act.HANG, N),
    ("RCPT", "421 4.4.5 closing", N),
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
    ("RCPT", "what?", N),
    ("RCPT", Act.CLOSE, N),
    ("RCPT", Act.HANG, N),
    ("DATA", "421 closing", N),
    ("DATA", "451 later", N),
    ("DATA", "554 5.5.1 no valid recipients", P),
    ("DATA", "250 not what was asked", N),
    ("DATA", Act.CLOSE, N),
    ("DATA", Act.HANG, N),
    ("DOT", "421 4.3.0 closing", N),
    ("DOT", "451 4.3.0 try later", N),
    ("DOT", "452 no space", N),
    ("DOT", "552 5.3.4 too large", P),
    ("DOT", "554 5.7.1 looks like spam", P),
    ("DOT", "550 5.7.26 this mail is unauthenticated", S),
    ("DOT", "354 again?", U),
    ("DOT", "Internal Server Error", U),
    ("DOT", "250-half a reply", U),
    ("DOT", "2" * 9000, U),
    ("DOT", Act.CLOSE, U),
    ("DOT", Act.RESET, U),
    ("DOT", Act.HANG, U),
]


@pytest.mark.parametrize(("step", "fault", "verdict"), FAULTS)
def test_every_fault_gets_its_verdict_and_the_next_mail_goes_its_way(
    step: str, fault: str | Act, verdict: Verdict
) -> None:
    # Half a reply ends with the connection.
    after: list[str | Act | None] = [Act.CLOSE] if fault == "250-half a reply" else []
    with SmtpStub(**{step: [fault], "AFTER": after}) as stub:
        answers = send(stub, mail(1), mail(2))
        opening = step in ("GREETING", "EHLO")
        assert verdicts(answers) == ([verdict] if opening or verdict is S else [verdict, A])
        assert [each.recipient for each in stub.accepted][-1:] == (
            [] if len(answers) == 1 else ["customer2@example.com"]
        )
        assert answers[0].error
        # A mail that may be sent again was not received whole; a refused one was at most refused.
        if verdict in (N, P, S) and step != "DOT":
            assert [each.recipient for each in stub.received] == ["customer2@example.com"][: len(answers) - 1]


@pytest.mark.parametrize("fault", [Act.CLOSE, Act.RESET, Act.HANG])
def test_a_body_whose_end_never_left_is_not_sent(fault: Act) -> None:
    with SmtpStub(BODY=[fault]) as stub:
        assert verdicts(send(stub, mail(1, LARGE), mail(2))) == [N, A]
        assert len(stub.received) == 1


def test_a_body_that_left_whole_is_unknown_even_if_the_server_has_not_read_it() -> None:
    with SmtpStub(BODY=[Act.CLOSE]) as stub:
        assert verdicts(send(stub, mail(1), mail(2))) == [U, A]


def test_the_servers_own_words_are_kept_whole_but_cut_at_a_thousand_and_without_control_characters() -> None:
    with SmtpStub(
        RCPT=["550-5.1.1 No such user\r\n550 5.1.1 Check\0the address", "550 " + "x" * 3000]
    ) as stub:
        first, second = send(stub, mail(1), mail(2))
    assert first.error == "550 5.1.1 No such user 5.1.1 Check the address"
    assert len(second.error) == 1000


def test_the_servers_id_of_the_mail_is_kept() -> None:
    replies: list[str | Act | None] = [
        None,
        "250 OK id=1rXy2z-0001Ab-3C",
        "250 Ok 010001234567890a-1b2c-000000",
        "250 fine",
    ]
    with SmtpStub(DOT=replies) as stub:
        answers = send(stub, *(mail(i) for i in range(4)))
    assert [answer.provider_id for answer in answers] == [
        "4AbC",
        "1rXy2z-0001Ab-3C",
        "010001234567890a-1b2c-000000",
        "",
    ]
    assert verdicts(answers) == [A] * 4


def test_many_mails_share_one_connection_even_over_several_calls() -> None:
    with SmtpStub() as stub:
        transport = SmtpTransport(Server(stub.host, stub.port))
        for start in (0, 10):
            assert (
                verdicts(list(transport.deliver(Pulled(*(mail(start + i) for i in range(10)))))) == [A] * 10
            )
        transport.close()
        assert stub.connections == 1
        assert stub.commands[-1].upper() == "QUIT"
        assert [each.recipient for each in stub.accepted] == [f"customer{i}@example.com" for i in range(20)]


def test_a_refused_recipient_does_not_cost_the_connection() -> None:
    with SmtpStub(RCPT=["550 5.1.1 no such user"]) as stub:
        assert verdicts(send(stub, mail(1), mail(2))) == [P, A]
        assert stub.connections == 1


def test_a_connection_whose_reset_fails_is_replaced() -> None:
    with SmtpStub(RCPT=["550 5.1.1 no such user"], RSET=Act.CLOSE) as stub:
        assert verdicts(send(stub, mail(1), mail(2))) == [P, A]
        assert stub.connections == 2


@pytest.mark.parametrize("ending", [Act.CLOSE, Act.RESET, "421 4.4.2 idle for too long"])
def test_a_connection_that_was_closed_between_two_mails_is_replaced_and_no_mail_suffers(
    ending: str | Act,
) -> None:
    with SmtpStub(AFTER=[ending, None, ending]) as stub:
        assert verdicts(send(stub, *(mail(i) for i in range(5)))) == [A] * 5
        assert stub.connections == 3
        assert len(stub.received) == 5


def test_a_connection_is_replaced_only_once_for_a_mail() -> None:
    with SmtpStub(MAIL=[None, Act.CLOSE, Act.CLOSE]) as stub:
        assert verdicts(send(stub, mail(1), mail(2), mail(3))) == [A, N, A]
        assert stub.connections == 3


def test_a_connection_that_was_silent_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "IDLE_SECONDS", 0)
    with SmtpStub() as stub:
        assert verdicts(send(stub, mail(1), mail(2))) == [A, A]
        assert stub.connections == 2


def test_nothing_more_is_pulled_once_the_server_cannot_be_reached() -> None:
    with SmtpStub(DOT=[None, Act.CLOSE], GREETING=[None, "421 shutting down"]) as stub:
        answers = send(stub, *(mail(i) for i in range(6)))
        assert verdicts(answers) == [A, U, N]


def test_a_refused_connection_is_not_sent_and_says_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    [answer] = SmtpTransport(Server("127.0.0.1", port)).deliver(Pulled(mail(1), mail(2)))
    assert answer.verdict is N
    assert "Check host and port" in answer.error


@pytest.mark.parametrize(("host", "verdict"), [("no-such-host.invalid", N), ("a..b", S)])
def test_a_host_name_that_leads_nowhere_is_not_sent(host: str, verdict: Verdict) -> None:
    [answer] = SmtpTransport(Server(host, 25)).deliver(Pulled(mail(1), mail(2)))
    assert answer.verdict is verdict
    assert "Check the host" in answer.error


@pytest.mark.parametrize(
    "address",
    [
        "jürgen@example.com",
        "a@b.example> SIZE=1",
        "a@b.example\r\nRCPT TO:<c@d.example",
        "a b@c.example",
        "@",
        "",
    ],
)
def test_an_address_that_smtp_cannot_carry_is_refused_for_good_and_never_written(address: str) -> None:
    bad = Mail(1, "news@acme.example", address, MESSAGE)
    with SmtpStub() as stub:
        assert verdicts(send(stub, bad, mail(2))) == [P, A]
        assert len([line for line in stub.commands if line.startswith("RCPT")]) == 1
        assert stub.connections == 1


def test_a_from_address_that_smtp_cannot_carry_stops_the_sender() -> None:
    with SmtpStub() as stub:
        assert verdicts(send(stub, Mail(1, "bücher@acme.example", "a@b.example", MESSAGE), mail(2))) == [S]


def test_dots_and_long_lines_arrive_as_they_were() -> None:
    message = b".first\r\n\r\n.\r\n..\r\n...three\r\n" + b"x" * 5000 + b"\r\n.\r\nlast.\r\n.\r\n"
    with SmtpStub() as stub:
        assert verdicts(send(stub, mail(1, message), mail(2))) == [A, A]
        assert [each.message for each in stub.received] == [message, MESSAGE]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_message_cannot_end_early_and_smuggle_in_another(line_end: bytes) -> None:
    message = b"Subject: x\r\n\r\nhello" + line_end + b"." + line_end + b"MAIL FROM:<evil@b.example>\r\n"
    with SmtpStub() as stub:
        send(stub, mail(1, message))
        # The stub undoes a dot after any line end; had it not been doubled, it would be missing.
        assert [each.message for each in stub.received] == [message]
        assert "MAIL FROM:<evil@b.example>" not in stub.commands


def test_a_message_without_a_last_line_end_gets_one() -> None:
    with SmtpStub() as stub:
        assert verdicts(send(stub, mail(1, b"Subject: x\r\n\r\nend"))) == [A]
        assert stub.received[0].message == b"Subject: x\r\n\r\nend\r\n"


def test_the_size_is_announced_where_the_server_wants_to_know_it() -> None:
    with SmtpStub() as stub, SmtpStub(extensions=()) as plain:
        send(stub, mail(1))
        send(plain, mail(1))
        assert f"MAIL FROM:<news@acme.example> SIZE={len(MESSAGE)}" in stub.commands
        assert "MAIL FROM:<news@acme.example>" in plain.commands


def test_closing_does_not_wait_for_a_server_that_says_nothing() -> None:
    with SmtpStub(QUIT=Act.HANG) as stub:
        transport = SmtpTransport(Server(stub.host, stub.port))
        assert verdicts(list(transport.deliver(Pulled(mail(1))))) == [A]
        transport.close()
        transport.close()
        assert verdicts(list(transport.deliver(Pulled(mail(2))))) == [A]
        transport.close()
        assert stub.connections == 2
