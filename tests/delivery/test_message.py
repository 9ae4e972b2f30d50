"""What message.Builder puts together by hand is parsed by the standard library and must be the same."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives  # noqa: TID251 - the oracle; nothing is sent by it
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from pytest_django import Settings

from audience.models import Workspace
from campaigns import content
from campaigns.content.problems import SourceError
from campaigns.models import Campaign, Content, Sender
from delivery import tokens
from delivery.message import Builder, Recipient, unsubscribe_link
from tests.campaigns.grammar import contents, customers, unhurried
from tests.factories import CampaignFactory

CUSTOMER = {
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "external_id": "",
    "phone": "",
    "language": "",
    "time_zone": "",
    "attributes": {},
}


def built(campaign: Campaign, **customer: Any) -> tuple[EmailMessage, bytes]:
    campaign.content = content.freeze(campaign.template)
    sender = campaign.senders.get()
    to = Recipient(7, 11, CUSTOMER["email"], CUSTOMER | customer)
    mail = Builder(campaign, sender).build(to)
    assert (mail.row_id, mail.sender_address, mail.recipient) == (7, sender.from_email, "ada@example.com")
    return message_from_bytes(mail.message, policy=policy.default), mail.message


@pytest.mark.django_db
def test_mail_has_both_parts_and_the_headers_of_bulk_mail(settings: Settings) -> None:
    settings.SITE_URL = "https://mail.acme.example"
    campaign = CampaignFactory()
    mail, _ = built(campaign)
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    link = mail["List-Unsubscribe"][1:-1]
    assert link.startswith("https://mail.acme.example/u/")
    assert tokens.read(link.rpartition("/")[2]) == tokens.Reference(
        campaign.workspace_id, 11, 7, campaign.content_id
    )
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == '"Acme" <acme.acme.example>' or mail["List-Id"] == "Acme <acme.acme.example>"
    assert mail["Feedback-ID"] == f"{campaign.pk}:acme:campaign:drumbeat"
    assert mail["From"].addresses[0].addr_spec == "news@acme.example"
    assert mail["To"].addresses[0].display_name == "Ada Lovelace"
    assert mail["Message-ID"].endswith("@acme.example>")
    assert mail["Date"].datetime is not None
    assert link in mail.get_body(("html",)).get_content()
    assert link in mail.get_body(("plain",)).get_content()


@pytest.mark.django_db
def test_message_id_is_the_same_for_every_attempt() -> None:
    campaign = CampaignFactory()
    first, _ = built(campaign)
    second, _ = built(campaign)
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.django_db
def test_every_line_is_short_printable_and_ends_in_crlf() -> None:
    campaign = CampaignFactory(
        template__subject="{{ customer_name }} " * 12,
        template__body="<p>" + "long " * 400 + "</p>\n.\n..dots\n<p>{{ customer_name }}</p>\n" + "x" * 3000,
    )
    mail, raw = built(campaign, name="Zoë 漢字 " * 9)
    assert raw.isascii()
    lines = raw.split(b"\r\n")
    # RFC 5322, 2.1.1; the link stays on one line, since relays break folded ones.
    assert max(len(line) for line in lines if not line.startswith(b"List-Unsubscribe:")) <= 78
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert "\r\n.\r\n..dots\r\n" in mail.get_body(("html",)).get_content()


@pytest.mark.django_db
def test_line_breaks_in_a_name_or_subject_make_no_header() -> None:
    evil = "Ada\r\nBcc: victim@example.com\r\n\r\nbody"
    campaign = CampaignFactory(template__subject="Hi {{ customer_name }}")
    mail, _ = built(campaign, name=evil)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Hi Ada Bcc: victim@example.com body"


def acme() -> Workspace:
    return Workspace(id=1, slug="acme", name="Äcme, Inc.", postal_address="1 Road\r\n.Town")


def ours(compiled: content.Compiled, customer: dict[str, Any]) -> bytes:
    frozen = Content(subject=compiled.subject, html=compiled.html, text=compiled.text)
    campaign = Campaign(id=5, workspace=acme(), name="Spring", content=frozen)
    sender = Sender(from_name="Zoë", from_email="news@acme.example", reply_to="help@acme.example")
    mail = Builder(campaign, sender).build(Recipient(7, 11, customer["email"], customer))
    # The SMTP transport takes its word for it, and doubles none.
    assert mail.dotless and re.search(rb"^\.", mail.own, re.MULTILINE) is None
    return mail.message


def djangos(compiled: content.Compiled, customer: dict[str, Any]) -> bytes:
    """The mail that Django makes of what Liquid renders."""
    link = unsubscribe_link(tokens.make(tokens.Reference(1, 11, 7)))
    rendered = content.Renderer(compiled).render(content.context(customer, acme(), "Spring", link))
    mail = EmailMultiAlternatives(rendered.subject, rendered.text, "news@acme.example", [customer["email"]])
    mail.attach_alternative(rendered.html, "text/html")
    return bytes(mail.message().as_bytes())


def read(raw: bytes) -> tuple[EmailMessage, list[str]]:
    """A mail as the standard library reads it, and its subject and texts."""
    mail = message_from_bytes(raw, policy=policy.default)
    assert not mail.defects
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    texts = [part.get_payload(decode=True).decode() for part in mail.iter_parts()]
    unified = [re.sub("\r\n|\r|\n", "\n", text).rstrip("\n") for text in texts]
    return mail, [" ".join(mail["Subject"].split()), *unified]


@effort(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contents(), customers())
def test_any_mail_says_what_djangos_says(compiled: content.Compiled, customer: dict[str, Any]) -> None:
    with unhurried():
        try:
            theirs, said = read(djangos(compiled, customer))
        except (SourceError, content.RenderError):
            with pytest.raises((SourceError, content.RenderError)):
                ours(compiled, customer)
            return
        raw = ours(compiled, customer)
    mail, ours_said = read(raw)
    assert ours_said == said
    assert mail["To"].addresses[0].addr_spec == theirs["To"]
    assert raw.isascii()
    assert not re.search(rb"[^\r]\n|\r[^\n]|\n\.", raw)
    assert all(len(line) <= 76 for line in raw.split(b"\r\n") if not line.startswith(b"List-Unsubscribe:"))
