"""The judgement on errors, where the dialogue of test_smtp.py does not reach it."""

from __future__ import annotations

import smtplib
import socket
import ssl

import pytest

from delivery.errors.base import ERROR_LENGTH, Verdict
from delivery.errors.smtp import MEANINGS, Phase, Problem, Reply, classify

A, N, P, U = Verdict.ACCEPTED, Verdict.NOT_SENT, Verdict.PERMANENT, Verdict.UNKNOWN
S, V = Verdict.SENDER, Verdict.UNAVAILABLE
# Before any mail is in hand.
OPENING = [Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.AUTH]
NETWORK = [
    TimeoutError("timed out"),
    ConnectionResetError(104, "Connection reset by peer"),
    BrokenPipeError(32, "Broken pipe"),
    OSError(113, "No route to host"),
    socket.gaierror(-2, "Name or service not known"),
    smtplib.SMTPServerDisconnected("Connection unexpectedly closed"),
    smtplib.SMTPResponseException(500, "Line too long."),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
]


def test_every_phase_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Phase)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.REPLY])
@pytest.mark.parametrize("error", NETWORK, ids=repr)
def test_no_network_error_before_the_message_is_written_can_mean_accepted(
    error: OSError, phase: Phase
) -> None:
    assert classify(error, phase) is (V if phase in OPENING else N)


@pytest.mark.parametrize("error", [*NETWORK, ValueError("x"), ssl.SSLError(1, "bad record mac")], ids=repr)
def test_any_error_after_the_message_was_written_may_mean_accepted(error: Exception) -> None:
    assert classify(error, Phase.REPLY) is U


def test_only_a_two_hundred_in_reply_to_the_message_accepts_it() -> None:
    accepting = {
        (phase, code)
        for phase in Phase
        for code in range(-1, 700)
        if classify(Reply(code, "text"), phase) is A
    }
    assert accepting == {(Phase.REPLY, code) for code in range(200, 300)}


@pytest.mark.parametrize("code", [-1, 0, 25, 100, 199, 300, 354, 399, 600, 699])
def test_a_last_reply_that_is_none_leaves_the_mail_unknown(code: int) -> None:
    assert classify(Reply(code, "text"), Phase.REPLY) is U


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("code", [450, 451, 452, 454, 471])
def test_a_temporary_refusal_is_never_final(code: int, phase: Phase) -> None:
    verdict = classify(Reply(code, "4.7.1 Relay access denied"), phase)
    assert verdict is (V if phase in OPENING else N)


@pytest.mark.parametrize("phase", Phase)
def test_a_server_that_closes_the_connection_says_nothing_about_the_mail_and_takes_none(phase: Phase) -> None:
    assert classify(Reply(421, "4.7.0 5.7.1 Relay access denied"), phase) is V


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(530, "5.7.0 Must issue a STARTTLS command first"),
        Reply(535, "5.7.8 Authentication credentials invalid"),
        Reply(538, "encryption required"),
        Reply(550, "5.7.60 SMTP; Client does not have permissions to send as this sender"),
        Reply(550, "5.7.25 The IP address sending this message does not have a PTR record"),
        Reply(554, "5.7.1 <someone@example.com>: Relay access denied"),
        Reply(550, "relaying denied"),
        Reply(550, "5.7.1 Unable to relay for someone@example.com"),
        Reply(553, "5.7.1 Authentication required"),
    ],
)
def test_a_refusal_that_is_about_the_sender_is_no_recipients_fault(reply: Reply, phase: Phase) -> None:
    assert classify(reply, phase) is S


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 No such user",
        "5.7.1 Message rejected as spam",
        "5.7.129 Restricted",
        "5.2.2 Full",
        "relay to nobody",
    ],
)
@pytest.mark.parametrize("phase", [Phase.RCPT, Phase.DATA_COMMAND, Phase.REPLY])
def test_a_refusal_that_is_about_the_mail_does_not_stop_the_sender(text: str, phase: Phase) -> None:
    assert classify(Reply(550, text), phase) is P


@pytest.mark.parametrize("phase", [*OPENING, Phase.MAIL])
def test_a_final_refusal_before_a_recipient_is_named_is_about_the_sender(phase: Phase) -> None:
    assert classify(Reply(554, "no"), phase) is S
    assert classify(ValueError("cannot be written"), phase) is S


def test_a_message_too_large_for_the_server_is_not_the_senders_fault() -> None:
    assert classify(Reply(552, "5.3.4 Message size exceeds fixed limit"), Phase.MAIL) is P


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), S),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), S),
        (ssl.SSLZeroReturnError(6, "closed"), V),
        (smtplib.SMTPNotSupportedError("STARTTLS not offered"), S),
    ],
    ids=repr,
)
def test_tls_that_cannot_work_stops_the_sender_and_tls_that_was_cut_off_does_not(
    error: Exception, verdict: Verdict
) -> None:
    assert classify(error, Phase.TLS) is verdict


def test_a_problem_speaks_the_servers_own_words_alone_when_they_are_about_the_mail() -> None:
    assert str(Problem(Reply(550, "5.1.1 No such user"), Phase.RCPT)) == "550 5.1.1 No such user"
    assert str(Problem(Reply(451, "4.7.1 later"), Phase.MAIL)) == "451 4.7.1 later"


def test_a_problem_that_people_can_mend_says_how_first() -> None:
    problem = Problem(socket.gaierror(-2, "Name or service not known"), Phase.CONNECT)
    assert (
        str(problem)
        == "No server of this name was found. Check the host. ([Errno -2] Name or service not known)"
    )
    refused = Problem(Reply(550, "5.7.1 not you"), Phase.MAIL)
    assert str(refused) == "The server refuses mail from this From address. (550 5.7.1 not you)"


def test_a_server_that_takes_nothing_for_a_while_is_explained() -> None:
    words = "The server takes no mail just now; Drumbeat tries again by itself."
    assert str(Problem(Reply(421, "4.7.0 slow down"), Phase.RCPT)) == f"{words} (421 4.7.0 slow down)"
    assert str(Problem(Reply(454, "4.7.0 busy"), Phase.AUTH)) == f"{words} (454 4.7.0 busy)"
    assert str(Problem(Reply(450, "4.2.1 greylisted"), Phase.RCPT)) == "450 4.2.1 greylisted"


def test_a_problem_names_the_systems_error_behind_smtplibs() -> None:
    try:
        try:
            raise BrokenPipeError(32, "Broken pipe")
        except OSError:
            raise smtplib.SMTPServerDisconnected("Server not connected")  # noqa: B904 - as smtplib does
    except smtplib.SMTPServerDisconnected as error:
        assert str(Problem(error, Phase.RCPT)) == "[Errno 32] Broken pipe"


def test_an_error_fits_into_the_ledger() -> None:
    problem = Problem(Reply(550, "a\0b\r\nc\x1b[0m" + "x" * 5000), Phase.RCPT)
    assert str(problem).startswith("550 a b c [0mxxx")
    assert len(str(problem)) == ERROR_LENGTH


@pytest.mark.parametrize(
    ("cause", "stands"),
    [
        (Reply(550, "no"), True),
        (Reply(451, "later"), True),
        (Reply(421, "closing"), False),
        (Reply(-1, "?"), False),
        (Reply(250, "yes"), False),
        (TimeoutError(), False),
    ],
)
def test_a_connection_is_kept_only_after_a_refusal_that_can_be_read(
    cause: Exception | Reply, stands: bool
) -> None:
    assert Problem(cause, Phase.RCPT).refused is stands
