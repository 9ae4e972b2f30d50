"""Our own messages read back in parts are what the standard library reads in them."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from anymail.utils import parse_address_list
from hypothesis import given
from hypothesis import strategies as st

from campaigns import content
from campaigns.content import CUSTOMER_COLUMNS
from delivery import headers
from delivery.message import Builder, Recipient
from delivery.transports import esp_parts
from delivery.transports.esp_parts import NotOurs
from tests.factories import CampaignFactory, SenderFactory, TemplateFactory, WorkspaceFactory

CUSTOMER = dict.fromkeys(CUSTOMER_COLUMNS, "") | {"name": "Dr. Ada, Gräfin", "attributes": {}}
# What a header or a body may hold once delivery.headers and the compiler have been over it.
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=120)
BODIES = st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"])), max_size=5).map("\n".join)


def oracle(message: bytes) -> EmailMessage:
    parsed = message_from_bytes(message, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@given(LINES)
def test_a_subject_is_decoded_to_what_it_was(text: str) -> None:
    raw = headers.unstructured(text)
    parts = esp_parts.read(f"Subject: {raw}\r\n".encode() + bodies("", ""))
    assert esp_parts.decoded(parts.headers["subject"]) == " ".join(text.split(" ")).strip()


@given(LINES)
def test_a_display_name_reaches_anymail_as_it_was(name: str) -> None:
    raw = headers.mailbox(name, "ada@example.com")
    message = f"To: {raw}\r\n".encode() + bodies("", "")
    [address] = parse_address_list(esp_parts.mailbox(esp_parts.read(message).headers["to"]))
    assert (address.display_name, address.addr_spec) == (name.strip(), "ada@example.com")


@given(BODIES, BODIES, st.sampled_from(["quoted-printable", "base64"]))
def test_both_bodies_are_what_the_standard_library_reads(text: str, html: str, encoding: str) -> None:
    message = bodies(text, html, encoding)
    parts = esp_parts.read(b"Subject: Hi\r\n" + message)
    plain, rich = (part.get_content() for part in oracle(message).iter_parts())
    assert (parts.text, parts.html) == (plain.replace("\r\n", "\n"), rich.replace("\r\n", "\n"))


def bodies(text: str, html: str, encoding: str = "quoted-printable") -> bytes:
    message = EmailMessage(policy=policy.SMTP)
    message.set_content(text, cte=encoding)
    message.add_alternative(html, subtype="html", cte=encoding)
    return bytes(message)


@pytest.mark.django_db
def test_a_campaigns_mail_keeps_every_header_and_both_bodies() -> None:
    workspace = WorkspaceFactory(name="Müller & Söhne")
    template = TemplateFactory(
        workspace=workspace,
        subject="Grüße, {{ customer_name }} – " + "lang " * 30,
        body="<p>.\n..</p><p>{{ customer_name }}</p><a href='{{ unsubscribe_link }}'>x=3D</a>" + "ä " * 200,
    )
    campaign = CampaignFactory(workspace=workspace, template=template, senders=[])
    campaign.content = content.freeze(template)
    sender = SenderFactory(workspace=workspace, from_name='Ada "von" Köln', reply_to="office@acme.example")
    mail = Builder(campaign, sender).build(Recipient(7, 11, "ada@example.com", CUSTOMER))
    parts, expected = esp_parts.read(mail.message), oracle(mail.message)

    assert esp_parts.decoded(parts.headers["subject"]) == expected["Subject"]
    assert esp_parts.mailbox(parts.headers["from"]) == r'"Ada \"von\" Köln" <news@acme.example>'
    assert esp_parts.mailbox(parts.headers["to"]) == '"Dr. Ada, Gräfin" <ada@example.com>'
    assert esp_parts.mailbox(parts.headers["reply-to"]) == "office@acme.example"
    for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "Message-ID", "Feedback-ID"):
        assert parts.headers[name.lower()] == expected[name]
    assert esp_parts.decoded(parts.headers["list-id"]) == expected["List-Id"]
    plain, rich = (part.get_content().replace("\r\n", "\n") for part in expected.iter_parts())
    assert (parts.text, parts.html) == (plain, rich)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"Subject: Hi\r\n\r\nHello",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: image/png\r\n\r\n.\r\n--x--",
    ],
)
def test_another_message_is_refused(message: bytes) -> None:
    with pytest.raises(NotOurs):
        esp_parts.read(message)


def test_an_address_without_brackets_is_refused() -> None:
    with pytest.raises(NotOurs):
        esp_parts.mailbox("ada@example.com")
