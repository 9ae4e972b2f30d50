"""What a campaign sends, as a server that is not ours receives it and the standard library reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from django.test import Client
from pytest_django import Settings

from audience.models import Customer
from campaigns import attachments, lifecycle
from campaigns.models import Campaign, Sender
from delivery.models import SendLog
from delivery.worker import Worker
from tests.factories import (
    AttributeFactory,
    CampaignFactory,
    CustomerFactory,
    SenderFactory,
    TemplateFactory,
    WorkspaceFactory,
)
from tests.servers import free_port
from tests.smtp_stub import self_signed

pytestmark = pytest.mark.django_db(transaction=True)
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 100
# RFC 5322, 3.6: each of these once.
ONCE = ("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "List-Id")
PEOPLE = {
    "ada@example.com": "Ada Lovelace",
    "zoe@example.com": "Zoë Örsted, Gräfin von „Köln“",
    "li@example.com": "李 " * 30,
    "evil@example.com": "Eve\r\nBcc: victim@example.com\r\n\r\n.\r\n",
    "o'hara@example.com": 'Pat "Patsy" O\'Hara <x@y.example>',
}
BODY = (
    """<html><body><h1>Grüße, {{ customer_name }}</h1>
.
..dots
<p>{{ customer.story }}</p><p>"""
    + "Sehr lang. " * 200
    + """</p>
{{ customer.qr_code }}<a href="{{ unsubscribe_link }}">Abmelden</a></body></html>"""
)


class Inbox:
    """aiosmtpd's side: keeps what came, byte for byte."""

    def __init__(self) -> None:
        self.received: dict[str, bytes] = {}
        self.encrypted: set[bool] = set()
        self.logged_in: set[bool] = set()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        [recipient] = envelope.rcpt_tos
        assert recipient not in self.received
        self.received[recipient] = bytes(envelope.original_content or b"")
        self.encrypted.add(session.ssl is not None)
        self.logged_in.add(bool(session.authenticated))
        return "250 2.0.0 taken"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Inbox, Controller]]:
    """An SMTP server that wants STARTTLS and a log-in, as those of providers do."""
    inbox = Inbox()

    def log_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        known = (data.login, data.password) == (b"shop", b"open sesame")
        return AuthResult(success=known, handled=False)

    context, certificate = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    controller = Controller(
        inbox,
        "127.0.0.1",
        free_port(),
        decode_data=False,
        data_size_limit=30 * 1024 * 1024,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=log_in,
    )
    controller.start()
    yield inbox, controller
    controller.stop()


def campaign_through(controller: Controller) -> Campaign:
    workspace = WorkspaceFactory(name="Müller & Söhne", postal_address="Straße 1, Köln")
    AttributeFactory(workspace=workspace, name="story", type="text")
    for email, name in PEOPLE.items():
        story = {"story": ".\r\nx" + "ß" * 600}
        CustomerFactory(workspace=workspace, email=email, name=name, attributes=story)
    subject = "Für {{ customer_name }}: " + "sehr " * 25
    template = TemplateFactory(workspace=workspace, subject=subject, body=BODY)
    attachments.attach(template, "Preise für 漢字.pdf", PDF)
    sender: Sender = SenderFactory(
        workspace=workspace,
        transport="smtp",
        host="localhost",
        port=controller.port,
        security="starttls",
        username="shop",
        from_name="Müller, Söhne",
        reply_to="office@acme.example",
    )
    sender.set_password("open sesame")
    sender.save(update_fields=["sealed_password"])
    campaign: Campaign = CampaignFactory(workspace=workspace, template=template, senders=[sender])
    lifecycle.activate(campaign)
    return campaign


@pytest.fixture
def received(server: tuple[Inbox, Controller], settings: Settings) -> dict[str, tuple[EmailMessage, bytes]]:
    settings.SITE_URL = "https://mail.acme.example"
    inbox, controller = server
    campaign = campaign_through(controller)
    with Worker() as worker:
        worker.run_until_idle()
    campaign.refresh_from_db()
    errors = list(SendLog.objects.exclude(status="sent").values_list("email", "error"))
    assert (campaign.result, errors) == ("5 of 5 sent", [])
    assert (inbox.encrypted, inbox.logged_in) == ({True}, {True})
    return {email: (_parsed(raw), raw) for email, raw in inbox.received.items()}


def _parsed(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


Received = dict[str, tuple[EmailMessage, bytes]]


def test_everybody_got_one_mail_without_a_defect(received: Received) -> None:
    assert set(received) == set(PEOPLE)
    for mail, _ in received.values():
        for part in mail.walk():
            assert part.defects == []
            assert [header.defects for header in part.values() if getattr(header, "defects", ())] == []


def test_headers_are_those_of_rfc_5322(received: Received) -> None:
    for email, (mail, _) in received.items():
        for name in ONCE:
            assert len(mail.get_all(name, [])) == 1, name
        assert mail["Bcc"] is None
        [to] = mail["To"].addresses
        [sender] = mail["From"].addresses
        assert to.addr_spec == email
        assert (sender.display_name, sender.addr_spec) == ("Müller, Söhne", "news@acme.example")
        assert mail["Reply-To"].addresses[0].addr_spec == "office@acme.example"
        assert re.fullmatch(r"<[\w.]+@acme\.example>", mail["Message-ID"])
        assert mail["Date"].datetime.utcoffset() is not None
        assert mail["MIME-Version"] == "1.0"
    assert len({mail["Message-ID"] for mail, _ in received.values()}) == len(PEOPLE)


def test_names_and_subjects_arrive_as_they_were(received: Received) -> None:
    for email, name in PEOPLE.items():
        shown = " ".join(re.sub(r"[\r\n]+", " ", name).split())
        mail, _ = received[email]
        assert " ".join(mail["To"].addresses[0].display_name.split()) == shown
        assert "".join(mail["Subject"].split()).startswith(f"Für{shown.replace(' ', '')}:sehrsehr")


def test_one_click_is_that_of_rfc_8058(received: Received, client: Client) -> None:
    for email, (mail, raw) in received.items():
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        [link] = re.findall(r"<(https://[^>]+)>", mail["List-Unsubscribe"])
        # On one line: relays break folded ones, and the signature over them.
        assert f"List-Unsubscribe: <{link}>\r\n".encode() in raw
        page = client.post(link.removeprefix("https://mail.acme.example"), {"List-Unsubscribe": "One-Click"})
        assert page.status_code == 200
        assert not Customer.objects.get(email=email).subscribed


def test_both_texts_and_the_file_are_whole(received: Received) -> None:
    for email, (mail, _) in received.items():
        assert [part.get_content_type() for part in mail.iter_parts()] == [
            "multipart/alternative",
            "application/pdf",
        ]
        html, plain = mail.get_body(("html",)), mail.get_body(("plain",))
        assert html is not None
        assert plain is not None
        for text in (html.get_content(), plain.get_content()):
            assert "Grüße," in text
            assert "ß" * 600 in text
            assert "Abmelden" in text
        assert "\n.\n..dots\n" in html.get_content().replace("\r\n", "\n")
        assert "/q/" in html.get_content()
        [file] = mail.iter_attachments()
        assert (file.get_filename(), file.get_content()) == ("Preise für 漢字.pdf", PDF), email


def test_lines_are_as_short_as_they_have_to_be(received: Received) -> None:
    for _, raw in received.values():
        assert raw.isascii()
        assert b"\0" not in raw
        assert b"\n" not in raw.replace(b"\r\n", b"")
        assert b"\r" not in raw.replace(b"\r\n", b"")
        lines = raw.split(b"\r\n")
        # RFC 5322, 2.1.1: 998 must not be passed, 78 should not.
        assert max(map(len, lines)) <= 998
        long = [line for line in lines if len(line) > 78]
        assert all(line.startswith(b"List-Unsubscribe: <https://") for line in long)


def test_a_wrong_password_stops_the_sender_with_the_servers_words(server: tuple[Inbox, Controller]) -> None:
    inbox, controller = server
    campaign = campaign_through(controller)
    sender = campaign.senders.get()
    sender.set_password("open barley")
    sender.save(update_fields=["sealed_password"])
    with Worker() as worker:
        worker.run_until_idle()
    sender.refresh_from_db()
    campaign.refresh_from_db()
    assert (sender.state, campaign.status, inbox.received) == ("stopped", "paused", {})
    assert "535" in sender.last_error
