"""What message.Builder puts together by hand is parsed by the standard library and must be the same."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from campaigns import content
from campaigns.models import Campaign
from delivery import tokens
from delivery.message import Builder, Recipient, alternatives, mailbox, subject
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
    assert tokens.read(link.rpartition("/")[2]) == tokens.Reference(campaign.workspace_id, 11, 7)
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


names = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn", "Zl", "Zp"]), max_size=80)


@given(names)
def test_any_subject_survives(text: str) -> None:
    parsed = message_from_bytes(f"Subject: {subject(text)}\r\n\r\n".encode("ascii"), policy=policy.default)
    assert " ".join(parsed["Subject"].split()) == " ".join(text.split())


@given(names)
def test_any_display_name_survives(text: str) -> None:
    header = mailbox(text, "ada@example.com")
    parsed = message_from_bytes(f"To: {header}\r\n\r\n".encode("ascii"), policy=policy.default)
    assert [address.addr_spec for address in parsed["To"].addresses] == ["ada@example.com"]
    name = str(make_header(decode_header(header.rpartition(" <")[0].replace("\r\n", ""))))
    assert " ".join(name.replace("\\", "").strip('"').split()) == " ".join(
        text.replace("\\", "").strip('"').split()
    )


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400)


@given(text=texts, html=texts)
def test_any_text_survives_in_both_parts(text: str, html: str) -> None:
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="=_b"\r\n'
    mail = message_from_bytes(head + alternatives("=_b", text, html), policy=policy.default)
    parts = [part.get_payload(decode=True) for part in mail.iter_parts()]
    assert parts == [re.sub("\r\n|\r|\n", "\r\n", part).encode() + b"\r\n" for part in (text, html)]
