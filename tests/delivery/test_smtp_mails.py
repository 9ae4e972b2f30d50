"""What the SMTP transport writes and keeps: messages, addresses, ids, connections."""

from __future__ import annotations

import socket

import pytest

from delivery.errors.base import Verdict
from delivery.transports.base import Mail
from delivery.transports.smtp import Server, SmtpTransport, patience
from tests.delivery.over_smtp import MESSAGE, A, P, S, U, V, at, deliver, mail, send, verdicts
from tests.smtp_stub import Act, SmtpStub


def test_the_servers_own_words_are_kept_whole_but_cut_at_a_thousand_and_without_control_characters() -> None:
    with SmtpStub(
        RCPT=["550-5.1.1 No such user\r\n550 5.1.1 Check\0the address", "550 " + "x" * 3000]
    ) as stub:
        first, second = send(at(stub), mail(1), mail(2))
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
        answers = send(at(stub), *(mail(i) for i in range(4)))
    ids = ["4AbC", "1rXy2z-0001Ab-3C", "010001234567890a-1b2c-000000", ""]
    assert [answer.provider_id for answer in answers] == ids
    assert verdicts(answers) == [A] * 4


def test_many_mails_share_one_connection_even_over_several_calls() -> None:
    with SmtpStub() as stub:
        transport = SmtpTransport(at(stub))
        for start in (0, 10):
            assert verdicts(deliver(transport, *(mail(start + i) for i in range(10)))) == [A] * 10
        transport.close()
        assert stub.connections == 1
        assert stub.commands[-1].upper() == "QUIT"
        assert [each.recipient for each in stub.accepted] == [f"customer{i}@example.com" for i in range(20)]


def test_a_refused_recipient_does_not_cost_the_connection() -> None:
    with SmtpStub(RCPT=["550 5.1.1 no such user"]) as stub:
        assert verdicts(send(at(stub), mail(1), mail(2))) == [P, A]
        assert stub.connections == 1


def test_a_connection_whose_reset_fails_is_replaced() -> None:
    with SmtpStub(RCPT=["550 5.1.1 no such user"], RSET=Act.CLOSE) as stub:
        assert verdicts(send(at(stub), mail(1), mail(2))) == [P, A]
        assert stub.connections == 2


@pytest.mark.parametrize("ending", [Act.CLOSE, Act.RESET, "421 4.4.2 idle for too long"])
def test_a_connection_that_was_closed_between_two_mails_is_replaced_and_no_mail_suffers(
    ending: str | Act,
) -> None:
    with SmtpStub(AFTER=[ending, None, ending]) as stub:
        assert verdicts(send(at(stub), *(mail(i) for i in range(5)))) == [A] * 5
        assert stub.connections == 3
        assert len(stub.received) == 5


def test_a_connection_that_was_silent_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "IDLE_SECONDS", 0)
    with SmtpStub() as stub:
        transport = SmtpTransport(at(stub))
        assert verdicts(deliver(transport, mail(1)) + deliver(transport, mail(2))) == [A, A]
        transport.close()
        assert stub.connections == 2
        assert stub.commands.count("QUIT") + stub.commands.count("quit") == 2


def test_nothing_more_is_pulled_once_the_server_cannot_be_reached() -> None:
    with SmtpStub(DOT=[None, Act.CLOSE], GREETING=[None, "421 shutting down"]) as stub:
        answers = send(at(stub), *(mail(i) for i in range(6)))
        assert verdicts(answers) == [A, U, V]


def test_a_server_that_takes_no_connection_is_unavailable_and_the_answer_says_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    [answer] = send(Server("127.0.0.1", port), mail(1), mail(2))
    assert answer.verdict is V
    assert "Check host and port" in answer.error


@pytest.mark.parametrize(("host", "verdict"), [("no-such-host.invalid", V), ("a..b", S)])
def test_a_host_name_that_leads_nowhere_says_what_to_check(host: str, verdict: Verdict) -> None:
    [answer] = send(Server(host, 25), mail(1), mail(2))
    assert answer.verdict is verdict
    assert "Check the host" in answer.error


@pytest.mark.parametrize(
    "recipient",
    [
        "jürgen@example.com",
        "a@b.example> SIZE=1",
        "a@b.example\r\nRCPT TO:<c@d.example",
        "a b@c.example",
        "@",
        "",
    ],
)
def test_an_address_that_smtp_cannot_carry_is_refused_for_good_and_never_written(recipient: str) -> None:
    bad = Mail(1, "news@acme.example", recipient, MESSAGE)
    with SmtpStub() as stub:
        assert verdicts(send(at(stub), bad, mail(2))) == [P, A]
        assert len([line for line in stub.commands if line.startswith("RCPT")]) == 1
        assert stub.connections == 1


def test_a_from_address_that_smtp_cannot_carry_stops_the_sender() -> None:
    with SmtpStub() as stub:
        assert verdicts(send(at(stub), Mail(1, "bücher@acme.example", "a@b.example", MESSAGE), mail(2))) == [
            S
        ]


def test_dots_and_long_lines_arrive_as_they_were() -> None:
    message = b".first\r\n\r\n.\r\n..\r\n...three\r\n" + b"x" * 5000 + b"\r\n.\r\nlast.\r\n.\r\n"
    with SmtpStub() as stub:
        assert verdicts(send(at(stub), mail(1, message), mail(2))) == [A, A]
        assert [each.message for each in stub.received] == [message, MESSAGE]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_message_cannot_end_early_and_smuggle_in_another(line_end: bytes) -> None:
    message = b"Subject: x\r\n\r\nhello" + line_end + b"." + line_end + b"MAIL FROM:<evil@b.example>\r\n"
    with SmtpStub() as stub:
        send(at(stub), mail(1, message))
        # The stub undoes a dot after any line end; had it not been doubled, it would be missing.
        assert [each.message for each in stub.received] == [message]
        assert "MAIL FROM:<evil@b.example>" not in stub.commands


def test_a_message_without_a_last_line_end_gets_one() -> None:
    with SmtpStub() as stub:
        assert verdicts(send(at(stub), mail(1, b"Subject: x\r\n\r\nend"))) == [A]
        assert stub.received[0].message == b"Subject: x\r\n\r\nend\r\n"


def test_the_size_is_announced_where_the_server_wants_to_know_it() -> None:
    with SmtpStub() as stub, SmtpStub(extensions=()) as plain:
        send(at(stub), mail(1))
        send(at(plain), mail(1))
        assert f"MAIL FROM:<news@acme.example> SIZE={len(MESSAGE)}" in stub.commands
        assert "MAIL FROM:<news@acme.example>" in plain.commands


def test_closing_does_not_wait_for_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "QUIT_SECONDS", 0.1)
    with SmtpStub(QUIT=Act.HANG) as stub:
        transport = SmtpTransport(at(stub))
        assert verdicts(deliver(transport, mail(1))) == [A]
        transport.close()
        transport.close()
        assert verdicts(deliver(transport, mail(2))) == [A]
        transport.close()
        assert stub.connections == 2
