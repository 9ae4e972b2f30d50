"""A sender's way out: TLS, log-in, and what a sender that cannot send says."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest
from pytest_django import Settings

from campaigns.models import Sender
from delivery.errors.base import Verdict
from delivery.transports import SenderUnusable, check, transport_for
from delivery.transports.base import Answer, Mail
from delivery.transports.smtp import Server
from tests.delivery.over_smtp import be_impatient, verdicts
from tests.factories import SenderFactory
from tests.smtp_stub import Act, SmtpStub, self_signed

A, S, V = Verdict.ACCEPTED, Verdict.SENDER, Verdict.UNAVAILABLE


@pytest.fixture(autouse=True)
def one_connection(settings: Settings) -> None:
    settings.SMTP_CONNECTIONS = 1


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    return self_signed(tmp_path, "127.0.0.1", "localhost")[0]


@pytest.fixture
def trusted(tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "stub.crt"))
    return tls


def smtp_sender(stub: SmtpStub, security: str, password: str = "", host: str = "127.0.0.1") -> Sender:
    sender = SenderFactory.build(
        workspace=None,
        transport=Sender.Transport.SMTP,
        host=host,
        port=stub.port,
        security=security,
        username="acme" if password else "",
        from_email="news@bücher.example",
    )
    sender.set_password(password)
    return sender


def deliver(sender: Sender) -> list[Answer]:
    """What became of two mails."""
    transport = transport_for(sender)
    mails = [Mail(i, "news@acme.example", f"c{i}@example.com", b"Subject: Hi\r\n\r\n") for i in range(2)]
    answers = list(transport.deliver(iter(mails), lambda row_id: None))
    transport.close()
    return answers


@pytest.mark.parametrize(("security", "at_once"), [("starttls", False), ("tls", True)])
def test_mail_goes_out_over_tls_after_log_in(trusted: ssl.SSLContext, security: str, at_once: bool) -> None:
    with SmtpStub(tls=trusted, tls_at_once=at_once, log_in=("acme", "open sesame")) as stub:
        assert verdicts(deliver(smtp_sender(stub, security, "open sesame"))) == [A, A]
        assert stub.connections == 1
        assert stub.commands.count("ehlo xn--bcher-kva.example") == (1 if at_once else 2)


@pytest.mark.parametrize(("security", "at_once"), [("starttls", False), ("tls", True)])
def test_a_certificate_that_nobody_vouches_for_stops_the_sender_before_the_password_is_told(
    tls: ssl.SSLContext, security: str, at_once: bool
) -> None:
    with SmtpStub(tls=tls, tls_at_once=at_once, log_in=("acme", "open sesame")) as stub:
        [answer] = deliver(smtp_sender(stub, security, "open sesame"))
        assert answer.verdict is S
        assert "certificate" in answer.error
        assert not any(line.startswith("AUTH") for line in stub.commands)


def test_a_certificate_for_another_name_stops_the_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = self_signed(tmp_path, "mail.other.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with SmtpStub(tls=context) as stub:
        assert verdicts(deliver(smtp_sender(stub, "starttls"))) == [S]


def test_a_server_without_starttls_stops_the_sender() -> None:
    with SmtpStub() as stub:
        [answer] = deliver(smtp_sender(stub, "starttls"))
        assert (answer.verdict, stub.received) == (S, [])
        assert "does not offer STARTTLS" in answer.error


def test_tls_to_a_port_without_tls_stops_the_sender_and_names_the_ports() -> None:
    with SmtpStub() as stub:
        [answer] = deliver(smtp_sender(stub, "tls"))
        assert answer.verdict is S
        assert "465" in answer.error


@pytest.mark.parametrize(
    ("fault", "verdict"), [("454 4.7.0 not now", V), ("501 no", S), (Act.CLOSE, V), (Act.HANG, V)]
)
def test_a_fault_at_starttls(
    tls: ssl.SSLContext, fault: str | Act, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault is Act.HANG:
        be_impatient(monkeypatch)
    with SmtpStub(tls=tls, STARTTLS=fault) as stub:
        assert verdicts(deliver(smtp_sender(stub, "starttls"))) == [verdict]


def test_what_was_said_before_tls_is_forgotten(trusted: ssl.SSLContext) -> None:
    forged = "220 go ahead\r\n250-forged\r\n250 AUTH PLAIN"
    with SmtpStub(tls=trusted, STARTTLS=forged, log_in=("acme", "open sesame")) as stub:
        assert verdicts(deliver(smtp_sender(stub, "starttls", "open sesame"))) == [A, A]


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (None, S),
        ("534 5.7.9 use an application password", S),
        ("454 4.7.0 temporary failure", V),
        ("421 closing", V),
        (Act.CLOSE, V),
        (Act.HANG, V),
    ],
)
def test_a_fault_at_log_in(
    fault: str | Act | None, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault is Act.HANG:
        be_impatient(monkeypatch)
    with SmtpStub(log_in=("acme", "right"), AUTH=[fault]) as stub:
        assert verdicts(deliver(smtp_sender(stub, "none", "wrong"))) == [verdict]
        assert len([line for line in stub.commands if line.startswith("AUTH")]) == 1


def test_a_server_that_repeats_the_password_does_not_get_it_into_the_ledger() -> None:
    plain = base64.b64encode(b"\0acme\0open sesame").decode()
    with SmtpStub(log_in=("acme", "x"), AUTH=f"535 5.7.8 not open sesame nor {plain}") as stub:
        [answer] = deliver(smtp_sender(stub, "none", "open sesame"))
        assert answer.error.endswith("(535 5.7.8 not *** nor ***)")


def test_a_refusal_is_told_as_it_is_when_there_is_no_password_to_hide() -> None:
    with SmtpStub(log_in=("acme", "x")) as stub:
        sender = smtp_sender(stub, "none")
        sender.username = "acme"
        [answer] = deliver(sender)
        assert answer.error.endswith("(535 5.7.8 wrong)")


def test_a_server_without_log_in_stops_a_sender_that_has_a_user_name() -> None:
    with SmtpStub() as stub:
        [answer] = deliver(smtp_sender(stub, "none", "open sesame"))
        assert answer.verdict is S
        assert "no log-in" in answer.error


def test_a_password_that_no_log_in_can_carry_stops_the_sender() -> None:
    with SmtpStub(log_in=("acme", "x")) as stub:
        [answer] = deliver(smtp_sender(stub, "none", "öffne dich"))
        assert answer.verdict is S
        assert "öffne dich" not in answer.error


def test_a_password_is_never_sent_over_a_network_in_the_clear() -> None:
    with SmtpStub() as stub, pytest.raises(SenderUnusable, match="unencrypted"):
        transport_for(smtp_sender(stub, "none", "open sesame", host="mail.acme.example"))


def test_a_password_that_cannot_be_decrypted_makes_the_sender_unusable(settings: Settings) -> None:
    with SmtpStub() as stub:
        sender = smtp_sender(stub, "none", "open sesame")
    settings.CREDENTIAL_KEYS = ["another"]
    with pytest.raises(SenderUnusable, match="CREDENTIAL_KEYS"):
        transport_for(sender)


def test_a_sender_without_a_host_is_unusable() -> None:
    with pytest.raises(SenderUnusable, match="Enter its host"):
        transport_for(SenderFactory.build(workspace=None, transport=Sender.Transport.SMTP))


def test_a_password_does_not_show_in_a_representation() -> None:
    assert "sesame" not in repr(Server("h", 25, "none", "acme", "sesame"))


def test_a_check_says_nothing_when_all_is_well_and_sends_no_mail(trusted: ssl.SSLContext) -> None:
    with SmtpStub(tls=trusted, log_in=("acme", "open sesame")) as stub:
        assert check(smtp_sender(stub, "starttls", "open sesame")) is None
        assert {line.split()[0].upper() for line in stub.commands} == {"EHLO", "STARTTLS", "AUTH", "QUIT"}


def test_a_check_tells_what_to_change() -> None:
    with SmtpStub(log_in=("acme", "right")) as stub:
        assert check(smtp_sender(stub, "none", "open sesame")) == (
            "The server refused the user name or the password. (535 5.7.8 wrong)"
        )
        sender = smtp_sender(stub, "none", "x", host="mail.acme.example")
        assert "unencrypted" in (check(sender) or "")


def test_the_local_mailbox_is_reached_without_tls_and_log_in(settings: Settings) -> None:
    with SmtpStub() as stub:
        settings.MAILBOX_HOST, settings.MAILBOX_PORT = stub.host, stub.port
        sender = SenderFactory.build(workspace=None, host="ignored.example", username="ignored")
        assert verdicts(deliver(sender)) == [A, A]
        assert stub.connections == 1


def test_a_message_that_no_mailbox_waits_for_is_kept_for_later(settings: Settings) -> None:
    with SmtpStub() as stub:
        settings.MAILBOX_HOST, settings.MAILBOX_PORT = stub.host, stub.port
    assert verdicts(deliver(SenderFactory.build(workspace=None))) == [V]
