"""Attachments and images in mails: read by the standard library, told to every service, copied by nobody."""

from __future__ import annotations

import base64
import re
import tracemalloc
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import permutations
from typing import Any

import pytest

from campaigns import attachments, content
from campaigns.content import qr
from campaigns.esps import ESPS
from campaigns.models import Campaign, Template
from delivery import enclosures, test_send
from delivery.mailbox.store import MailboxStore
from delivery.message import BOUNDARY, RELATED, Builder, Recipient
from delivery.transports import calls, esp_backends, esp_parts
from delivery.transports.base import Mail, Verdict
from delivery.transports.smtp import Server, SmtpTransport
from tests.delivery.services import deliver, impatient, transport  # noqa: F401 - a fixture
from tests.delivery.staff import member, source, superuser
from tests.delivery.test_message import CUSTOMER
from tests.factories import CampaignFactory, CustomerFactory, TemplateFactory
from tests.http_stub import HttpStub, Request, service
from tests.smtp_stub import SmtpStub

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 20
LONG_NAME = "Größe 漢字 und noch viel mehr, weil auch lange Namen vorkommen.pdf"
NAMES = ["preise.pdf", LONG_NAME, "grüße.csv", "party.ics"]
DATA = [PDF, PDF + b"2", "Rille;Preis\nGrüße;1\n".encode(), b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"]


def attached(template: Template) -> Template:
    for name, data in zip(NAMES, DATA, strict=True):
        attachments.attach(template, name, data)
    return template


def campaign_with(body: str = "", *, inline: bool = False, files: bool = True) -> Campaign:
    body = f'<p>Hello {{{{ customer_name }}}}</p>{body}<a href="{{{{ unsubscribe_link }}}}">Leave</a>'
    template = TemplateFactory(body=body, qr_inline=inline)
    campaign: Campaign = CampaignFactory(template=attached(template) if files else template)
    campaign.content = content.freeze(template)
    return campaign


def built(campaign: Campaign, row_id: int = 7) -> Mail:
    columns = CUSTOMER | {"name": "Ada Örsted"}
    return Builder(campaign, campaign.senders.get()).build(Recipient(row_id, 11, CUSTOMER["email"], columns))


def read(mail: Mail) -> EmailMessage:
    parsed = message_from_bytes(mail.message, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not [part.defects for part in parsed.walk() if part.defects]
    assert mail.message.isascii()
    assert max(map(len, mail.message.split(b"\r\n"))) <= 160
    assert b"\n" not in mail.message.replace(b"\r\n", b"")
    return parsed


def shape(part: Any) -> Any:
    if not part.is_multipart():
        return part.get_content_type()
    return part.get_content_type(), [shape(each) for each in part.iter_parts()]


@pytest.mark.django_db
def test_attachments_stand_behind_the_texts() -> None:
    parsed = read(built(campaign_with()))
    assert shape(parsed) == (
        "multipart/mixed",
        [
            ("multipart/alternative", ["text/plain", "text/html"]),
            *("application/pdf", "application/pdf", "text/csv", "text/calendar"),
        ],
    )
    files = list(parsed.iter_attachments())
    assert [file.get_filename() for file in files] == NAMES
    assert [file.get_payload(decode=True) for file in files] == DATA
    assert files[2].get_content_charset() == "utf-8"
    assert "Hello Ada Örsted" in parsed.get_body(("html",)).get_content()
    assert "Hello Ada Örsted" in parsed.get_body(("plain",)).get_content()


@pytest.mark.django_db
@pytest.mark.parametrize("files", [False, True])
def test_a_code_inside_the_mail_is_related_to_the_html(files: bool) -> None:
    parsed = read(built(campaign_with("{{ customer.qr_code }}", inline=True, files=files)))
    inner = ("multipart/related", ["text/html", "image/png"])
    alternative = parsed if not files else next(parsed.iter_parts())
    assert shape(alternative) == ("multipart/alternative", ["text/plain", inner])
    image = next(part for part in parsed.walk() if part.get_content_type() == "image/png")
    html = parsed.get_body(("html",)).get_content()
    assert f'src="cid:{image["Content-ID"].strip("<>")}"' in html
    assert image.get_content() == qr.png(qr.of_customer(campaign_of(parsed), 11))


def campaign_of(parsed: EmailMessage) -> int:
    workspace: int = Campaign.objects.get(pk=parsed["Feedback-ID"].partition(":")[0]).workspace_id
    return workspace


@pytest.mark.django_db
def test_a_hosted_code_leaves_the_mail_as_it_was() -> None:
    parsed = read(built(campaign_with("{{ customer.qr_code }}", files=False)))
    assert shape(parsed) == ("multipart/alternative", ["text/plain", "text/html"])
    [token] = re.findall(r"/q/([\w-]+)\.png", parsed.get_body(("html",)).get_content())
    assert qr.whom_it_names(token).customer_id == 11


@pytest.mark.django_db
def test_a_code_of_a_text_is_hosted_also_where_the_customers_is_not() -> None:
    parsed = read(built(campaign_with("{{ 'https://shop.example' | qr_code }}", inline=True, files=False)))
    assert shape(parsed) == ("multipart/alternative", ["text/plain", "text/html"])


# --- Once for all ----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_mails_share_is_one_object_for_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = campaign_with()
    first = built(campaign, 1)
    monkeypatch.setattr(enclosures, "_part", None)
    assert built(campaign, 2).tail is first.tail
    assert len(first.own) < 4000


@pytest.mark.django_db
def test_a_mail_without_attachments_asks_for_none_a_second_time(
    django_assert_num_queries: Any,
) -> None:
    campaign = campaign_with(files=False)
    sender = campaign.senders.get()
    Builder(campaign, sender)
    with django_assert_num_queries(0):
        mail = Builder(campaign, sender).build(Recipient(1, 11, CUSTOMER["email"], CUSTOMER))
    assert mail.message is mail.own


@pytest.mark.django_db
def test_five_hundred_mails_with_five_megabytes_are_no_gigabytes() -> None:
    template = TemplateFactory()
    attachments.attach(template, "large.pdf", b"%PDF-" + bytes(5_000_000))
    campaign = CampaignFactory(template=template)
    campaign.content = content.freeze(template)
    built(campaign)
    tracemalloc.start()
    mails = [built(campaign, row_id) for row_id in range(500)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(mail.size > 6_800_000 for mail in mails)
    assert held < 10_000_000


@pytest.mark.django_db
def test_smtp_takes_large_mails_whole_one_behind_the_other() -> None:
    template = TemplateFactory()
    attachments.attach(template, "large.pdf", b"%PDF-" + bytes(5_000_000))
    campaign = CampaignFactory(template=template)
    campaign.content = content.freeze(template)
    mails = [built(campaign, row_id) for row_id in range(6)]
    for pipelining in (True, False):
        with SmtpStub(pipelining=pipelining) as stub:
            out = SmtpTransport(Server(stub.host, stub.port), connections=1)
            answers = list(out.deliver(iter(mails), lambda row_id: None))
            out.close()
            assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED] * 6
            assert [received.message for received in stub.received] == [mail.message for mail in mails]


# --- Services --------------------------------------------------------------------------------------------


def told_files(request: Request) -> dict[str, bytes]:
    """The files that a service was told of, by name, whatever it calls them."""
    if service(request) == "mailgun":
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = message_from_bytes(head + request.body, policy=policy.HTTP).iter_parts()
        return {p.get_filename() or "": p.get_payload(decode=True) for p in parts if p.get_filename()}
    if service(request) == "amazon_ses":
        raw = base64.b64decode(request.json["Content"]["Raw"]["Data"])
        parts = message_from_bytes(raw, policy=policy.default).walk()
        return {p.get_filename() or "": p.get_payload(decode=True) for p in parts if p.get_filename()}
    return dict(files_in(request.json))


def files_in(value: Any) -> Any:
    """Every object of a JSON document that has a name and a content in base64."""
    if isinstance(value, list):
        for each in value:
            yield from files_in(each)
    if isinstance(value, dict):
        lower = {key.lower(): item for key, item in value.items()}
        name = lower.get("filename") or lower.get("name")
        data = lower.get("content") or lower.get("base64content") or lower.get("data")
        if isinstance(name, str) and isinstance(data, str):
            yield name, base64.b64decode(data)
        else:
            for item in value.values():
                yield from files_in(item)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ESPS)
def test_each_service_is_told_of_every_file(name: str) -> None:
    with HttpStub() as stub:
        [answer] = deliver(transport(stub, name), [built(campaign_with())])
        assert answer.error == ""
        [request] = stub.requests
    files = told_files(request)
    for wanted, data in zip(NAMES, DATA, strict=True):
        assert files[wanted].replace(b"\r\n", b"\n") == data.replace(b"\r\n", b"\n")


@pytest.mark.django_db
@pytest.mark.parametrize("name", ESPS)
def test_each_service_that_takes_images_gets_the_code_within_the_mail(name: str) -> None:
    mail = built(campaign_with("{{ customer.qr_code }}", inline=True, files=False))
    with HttpStub() as stub:
        [answer] = deliver(transport(stub, name), [mail])
        if not ESPS[name].inline_images:
            assert stub.requests == []
            assert "inline" in answer.error
            return
        [request] = stub.requests
    assert b"\x89PNG" in b"".join(data[:4] for data in told_files(request).values())
    said = request.said if name != "amazon_ses" else str(request.json)
    assert "cid:qr-code@drumbeat" in said.replace("\\", "") or name in ("amazon_ses", "mailgun")


@pytest.mark.django_db
def test_a_file_is_encoded_for_the_first_call_and_not_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = campaign_with()
    with HttpStub() as stub:
        out = transport(stub, connections=1)
        assert len(list(out.deliver(iter([built(campaign, 1)]), lambda row_id: None))) == 1
        monkeypatch.setattr(esp_backends, "base64", None)
        monkeypatch.setattr(esp_parts, "_file", None)
        answers = deliver(out, [built(campaign, 2), built(campaign, 3)])
        assert [answer.error for answer in answers] == ["", ""]
        assert stub.requests[0].json["Attachments"] == stub.requests[2].json["Attachments"]


@pytest.mark.django_db
def test_fewer_calls_are_in_flight_with_large_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = campaign_with()
    mails = [built(campaign, row_id) for row_id in range(12)]
    for limit, most in ((mails[0].size * 2, 2), (1, 1)):
        monkeypatch.setattr(calls, "BYTES_IN_FLIGHT", limit)
        with HttpStub(latency=0.02) as stub:
            deliver(transport(stub, connections=8), mails)
            assert stub.most_at_once <= most
            assert len(stub.accepted) == 12


# --- Tests and the mailbox ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_carries_what_is_attached_and_the_mailbox_shows_it(mailbox: MailboxStore) -> None:
    body = "<p>{{ customer.qr_code }}{{ unsubscribe_link }}</p>"
    campaign = CampaignFactory(template=attached(TemplateFactory(body=body, qr_inline=True)))
    assert test_send.send(campaign, "me@example.org", CustomerFactory()).error == ""
    [message] = mailbox.search().messages
    raw = source(mailbox, message.id) or b""
    parsed = message_from_bytes(raw, policy=policy.default)
    assert [file.get_filename() for file in parsed.iter_attachments()] == NAMES
    page = superuser().get(f"/mailbox/{message.id}/").text
    for name in NAMES:
        assert name in page
    shown = superuser().get(f"/mailbox/{message.id}/html/").text
    assert 'src="data:image/png;base64,' in shown
    assert "cid:" not in shown
    assert member(campaign.workspace).get(f"/mailbox/{message.id}/").status_code == 404


def test_no_boundary_begins_like_another() -> None:
    """RFC 2046, 5.1.1: a line that begins with a boundary is one, whatever follows."""
    for one, other in permutations((BOUNDARY, RELATED, enclosures.MIXED), 2):
        assert not one.startswith(other)
