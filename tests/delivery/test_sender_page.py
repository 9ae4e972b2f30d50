"""“Test connection”, “Send me a test” and the domain on a sender's page."""

from __future__ import annotations

import html

import pytest
from django.utils import timezone
from pytest_django import Settings

from audience.models import Membership
from campaigns.models import DomainCheck, Sender
from delivery.mailbox.store import MailboxStore
from delivery.models import SendLog
from tests.delivery.services import credentials, impatient  # noqa: F401 - a fixture
from tests.delivery.staff import member, stranger
from tests.dns_stub import DnsStub
from tests.factories import SenderFactory, SuppressionFactory
from tests.http_stub import HttpStub, Response
from tests.smtp_stub import SmtpStub

pytestmark = pytest.mark.django_db(transaction=True)
State = Sender.State


def verify(sender: Sender, role: Membership.Role = Membership.Role.EDITOR) -> str:
    page = member(sender.workspace, role).post(f"/senders/{sender.pk}/verify/", follow=True)
    sender.refresh_from_db()
    return page.content.decode()


@pytest.mark.parametrize("before", State.values)
def test_server_that_answers_makes_the_sender_ready(mailbox: MailboxStore, before: str) -> None:
    sender = SenderFactory(state=before, last_error="535 refused")
    assert "The sender is ready" in verify(sender)
    assert (sender.state, sender.last_error) == (State.READY, "")
    assert mailbox.count() == 0


@pytest.mark.parametrize(
    ("before", "after"), [(State.READY, State.UNVERIFIED), (State.STOPPED, State.STOPPED)]
)
def test_server_that_does_not_answer_is_said_in_words(before: str, after: str, settings: Settings) -> None:
    settings.MAILBOX_PORT = 9
    sender = SenderFactory(state=before)
    assert "The test failed." in verify(sender)
    assert sender.state == after
    assert sender.last_error


def test_only_those_who_may_edit_test_a_sender(mailbox: MailboxStore) -> None:
    sender = SenderFactory(state=State.UNVERIFIED)
    verify(sender, Membership.Role.ANALYST)
    assert sender.state == State.UNVERIFIED
    url = f"/senders/{sender.pk}/verify/"
    assert stranger().post(url).status_code == 404
    assert member(sender.workspace).get(url).status_code == 405


@pytest.mark.parametrize("esp", ["postmark", "resend"])
def test_an_e_mail_service_that_knows_the_key_makes_the_sender_ready(esp: str) -> None:
    with HttpStub() as stub:
        sender = SenderFactory(
            transport="esp", esp=esp, api_url=stub.url(esp), state=State.STOPPED, last_error="401"
        )
        sender.set_credentials(credentials(esp))
        sender.save(update_fields=["sealed_credentials"])
        assert "The service knows the key." in verify(sender)
        assert stub.accepted == []
    assert (sender.state, sender.last_error) == (State.READY, "")


def test_an_e_mail_service_that_lacks_its_key_is_not_called() -> None:
    sender = SenderFactory(transport="esp", esp="postmark", state=State.STOPPED)
    assert "Server API token" in verify(sender)
    assert sender.state == State.STOPPED


@pytest.mark.parametrize(
    ("extension", "announced"), [("SIZE 5000000", 5_000_000), ("SIZE", None), ("SIZE 0", None)]
)
def test_the_size_that_a_server_announces_is_remembered(extension: str, announced: int | None) -> None:
    with SmtpStub(extensions=(extension,)) as stub:
        sender = SenderFactory(transport="smtp", host=stub.host, port=stub.port, security="none")
        verify(sender)
    assert sender.announced_size == announced


# --- "Send me a test" --------------------------------------------------------------------------------------


def send_test(sender: Sender, address: str, role: Membership.Role = Membership.Role.EDITOR) -> str:
    page = member(sender.workspace, role).post(f"/senders/{sender.pk}/test/", {"address": address})
    sender.refresh_from_db()
    return html.unescape(page.text)


def test_a_test_comes_from_the_sender_and_makes_it_ready(mailbox: MailboxStore) -> None:
    sender = SenderFactory(name="News {{ 7 | times: 6 }}", state=State.UNVERIFIED, last_error="refused")
    assert "Sent to me@example.org from news@acme.example; the sender is ready." in send_test(
        sender, " Me@Example.org "
    )
    assert (sender.state, sender.last_error) == (State.READY, "")
    [message] = mailbox.search().messages
    assert message.subject == "[Test] Mail from “News {{ 7 | times: 6 }}”"
    assert not SendLog.objects.exists()


def test_a_test_through_a_service_is_one_mail(mailbox: MailboxStore) -> None:
    with HttpStub([None, Response(401, {"ErrorCode": 10, "Message": "The token is not valid."})]) as stub:
        sender = SenderFactory(transport="esp", esp="postmark", api_url=stub.url("postmark"))
        sender.set_credentials(credentials("postmark"))
        sender.save(update_fields=["sealed_credentials"])
        assert "Sent to me@example.org" in send_test(sender, "me@example.org")
        assert stub.accepted == ["me@example.org"]
        assert "The service refused the key." in send_test(sender, "me@example.org")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "The address is empty."),
        ("nobody", "has no @"),
        ("ünï@example.org", "cannot be mailed by any sender"),
        ("gone@example.org", "is suppressed"),
    ],
)
def test_a_test_to_nobody_is_refused_in_words(mailbox: MailboxStore, address: str, says: str) -> None:
    sender = SenderFactory()
    SuppressionFactory(workspace=sender.workspace, email="gone@example.org")
    assert says in send_test(sender, address)
    assert mailbox.count() == 0


def test_no_test_is_sent_while_sending_is_switched_off(mailbox: MailboxStore, settings: Settings) -> None:
    settings.ENABLE_EMAIL_SCHEDULER = False
    assert "switched off" in send_test(SenderFactory(), "me@example.org")
    assert mailbox.count() == 0


def test_only_those_who_may_edit_send_tests(mailbox: MailboxStore) -> None:
    sender = SenderFactory()
    assert "Sent to" not in send_test(sender, "me@example.org", Membership.Role.ANALYST)
    assert stranger().post(f"/senders/{sender.pk}/test/").status_code == 404
    assert member(sender.workspace).get(f"/senders/{sender.pk}/test/").status_code == 405
    assert mailbox.count() == 0


# --- The domain --------------------------------------------------------------------------------------------


def test_the_domain_is_looked_at_when_somebody_asks(settings: Settings) -> None:
    sender = SenderFactory(transport="smtp", host="mail.acme.example")
    url = f"/admin/campaigns/sender/{sender.pk}/domain/"
    client = member(sender.workspace, Membership.Role.EDITOR)
    with DnsStub({"acme.example MX": ["10 mx.acme.example."]}) as stub:
        settings.DNS_SERVERS = [stub.address]
        assert "Nobody has looked yet" in client.get(url).text
        assert not stub.asked
        page = html.unescape(client.post(url).text)
        assert "v=DMARC1; p=none" in page
        assert "_dmarc.acme.example" in page
        analyst = member(sender.workspace, Membership.Role.ANALYST)
        assert "v=DMARC1" in analyst.get(url).text
        assert analyst.post(url).status_code == 403
    assert stranger().post(url).status_code == 404


def test_what_was_found_for_another_domain_is_said_to_be() -> None:
    sender = SenderFactory()
    DomainCheck.objects.create(sender=sender, domain="old.example", findings=[], checked_at=timezone.now())
    page = member(sender.workspace).get(f"/admin/campaigns/sender/{sender.pk}/domain/").text
    assert "This was found for old.example" in page
