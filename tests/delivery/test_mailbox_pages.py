"""The mailbox pages: who sees which mail, and that a mail can do nothing to the site."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from delivery.mailbox.parsed import parse
from delivery.mailbox.store import MailboxStore
from tests.delivery.staff import customer_of_the_site, member, source, stranger, superuser
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db

LIST = "/mailbox/"


HTML = "<html><head><title>x</title></head><body><a href='https://x.example'>link</a></body></html>"


def receive(
    campaign_id: int = 0, recipient: str = "ada@example.com", subject: str = "Hello", html: str = HTML
) -> int:
    raw = (
        f"From: Acme <news@acme.example>\r\nTo: {recipient}\r\nSubject: {subject}\r\n"
        + (f"Feedback-ID: {campaign_id}:acme:campaign:drumbeat\r\n" if campaign_id else "")
        + 'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPlain words\r\n"
        f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--b--\r\n"
    )
    with MailboxStore(settings.MAILBOX_PATH) as store:
        return store.add(recipient, "news@acme.example", raw.encode())


def pages_of(message_id: int) -> list[str]:
    return [
        reverse(f"delivery:{name}", args=[message_id])
        for name in ("mailbox_message", "mailbox_html", "mailbox_source")
    ]


def test_a_mailbox_that_has_received_nothing_says_so() -> None:
    assert "No mail yet" in superuser().get(LIST).content.decode()


def test_the_newest_message_comes_first() -> None:
    receive(subject="Older")
    receive(subject="Newer")
    page = superuser().get(LIST).content.decode()
    assert page.index("Newer") < page.index("Older")


def test_search_finds_recipient_and_subject_and_takes_wildcards_literally() -> None:
    receive(recipient="ada@example.com", subject="Spring")
    receive(recipient="bob@example.com", subject="100% wool")
    client = superuser()

    def found(text: str) -> tuple[bool, bool]:
        page = client.get(LIST, {"q": text}).content.decode()
        return "Spring" in page, "100% wool" in page

    assert found("ADA@") == (True, False)
    assert found("spring") == (True, False)
    assert found("0% w") == (False, True)
    assert "Nothing found" in client.get(LIST, {"q": "ada%com"}).content.decode()


def test_pages_lead_from_one_to_the_next_and_survive_nonsense() -> None:
    for number in range(51):
        receive(subject=f"Mail <{number}>")
    client = superuser()
    assert 'rel="next"' in client.get(LIST).content.decode()
    last = client.get(LIST, {"page": "2"}).content.decode()
    assert "Mail &lt;0&gt;" in last
    assert 'rel="next"' not in last
    for nonsense in ("0", "-1", "x", "9" * 30, "²", "7"):
        assert client.get(LIST, {"page": nonsense}).status_code == 200


def test_a_member_sees_the_mails_of_their_workspace_and_no_tests() -> None:
    campaign = CampaignFactory()
    other = CampaignFactory(workspace__slug="elsewhere")
    own, foreign, test = receive(campaign.pk, subject="Ours"), receive(other.pk), receive(0)
    client = member(campaign.workspace)
    page = client.get(LIST).content.decode()
    assert page.count('class="mail"') == 1
    assert "Ours" in page
    assert [client.get(url).status_code for url in pages_of(own)] == [200] * 3
    assert [client.get(url).status_code for url in pages_of(foreign) + pages_of(test)] == [404] * 6


def test_a_superuser_sees_everything() -> None:
    messages = [receive(CampaignFactory().pk), receive(0), receive(999_999)]
    client = superuser()
    assert client.get(LIST).content.decode().count('class="mail"') == 3
    for message in messages:
        assert [client.get(url).status_code for url in pages_of(message)] == [200] * 3


@pytest.mark.parametrize("message_id", [0, 77, 2**63, 10**30])
def test_a_message_that_is_not_there_is_not_found(message_id: int) -> None:
    assert [superuser().get(f"/mailbox/{message_id}/").status_code] == [404]


@pytest.mark.parametrize("client", [Client, customer_of_the_site])
def test_only_staff_come_in(client: type[Client]) -> None:
    message = receive()
    browser = client()
    for url in [LIST, *pages_of(message)]:
        assert browser.get(url).headers["Location"].startswith(reverse("admin:login"))


def test_the_message_page_shows_headers_and_text_and_frames_the_html() -> None:
    message = receive(subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    page = superuser().get(f"/mailbox/{message}/").content.decode()
    assert "Grüße" in page
    assert "Acme &lt;news@acme.example&gt;" in page
    assert "Plain words" in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page


def test_the_html_part_can_do_nothing_to_the_site() -> None:
    message = receive(html="<p>x</p><script>alert(1)</script>")
    client = superuser()
    response = client.get(f"/mailbox/{message}/html/")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "<script>" not in client.get(f"/mailbox/{message}/").content.decode().split('class="delivery"')[1]


def test_links_of_the_html_part_open_in_a_new_tab() -> None:
    whole, fragment = receive(), receive(html="<p>x</p>")
    client = superuser()
    assert b'<head><base target="_blank">' in client.get(f"/mailbox/{whole}/html/").content
    assert client.get(f"/mailbox/{fragment}/html/").content.startswith(b'<base target="_blank"><p>')


@pytest.mark.parametrize(
    "head",
    [
        "",
        "To: <",
        "Content-Type: text/plain; charset=no-such-charset",
        "Content-Type: text/plain; charset=idna",
        "Content-Type: multipart/mixed",
        "Subject: =?x?b?!!?=\r\nFrom: =?utf-8?b?/w==?=",
        "Content-Type: text/html\r\nContent-Transfer-Encoding: base64",
        "no header at all",
    ],
)
@pytest.mark.parametrize("body", [b"caf\xe9\r\n", b"--x\r\n\r\n", b""])
def test_a_broken_message_is_shown_as_far_as_it_goes(head: str, body: bytes) -> None:
    with MailboxStore(settings.MAILBOX_PATH) as store:
        message = store.add("ada@example.com", "", head.encode() + b"\xff\r\n\r\n" + body)
    client = superuser()
    assert [client.get(page).status_code for page in pages_of(message)] == [200] * 3


def test_what_cannot_be_decoded_is_replaced() -> None:
    assert parse(b"Subject: caf\xe9\r\n\r\ncaf\xe9").headers == [("Subject", "caf\ufffd")]
    assert parse(b"Subject: x\r\n\r\ncaf\xe9").text == "caf\ufffd"


def test_an_attachment_is_no_text_of_the_mail() -> None:
    raw = b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nsecret"
    assert (parse(raw).text, parse(raw).html) == (None, None)


def test_the_source_is_downloaded_as_it_came() -> None:
    message = receive()
    response = superuser().get(f"/mailbox/{message}/source/")
    with MailboxStore(settings.MAILBOX_PATH) as store:
        assert response.content == source(store, message)
    assert response.headers["Content-Disposition"] == f'attachment; filename="message-{message}.eml"'


def test_only_a_superuser_empties_the_mailbox_and_only_by_post() -> None:
    campaign = CampaignFactory()
    receive(campaign.pk)
    url = reverse("delivery:mailbox_empty")
    assert superuser().get(url).status_code == 405
    assert member(campaign.workspace).post(url).status_code == 403
    assert "mailbox/empty" not in member(campaign.workspace).get(LIST).content.decode()
    with MailboxStore(settings.MAILBOX_PATH) as store:
        assert store.count() == 1
        superuser().post(url)
        assert store.count() == 0


def test_a_stranger_sees_an_empty_mailbox() -> None:
    receive(CampaignFactory().pk)
    assert "No mail yet" in stranger().get(LIST).content.decode()
