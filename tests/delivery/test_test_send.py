"""Test mode: one mail, real in everything but its consequences."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest
from django.urls import reverse
from pytest_django import Settings

from audience.audiences import Audience
from audience.models import Customer, Membership
from campaigns.attachments import attach
from campaigns.models import Campaign, Content, Sender, Template
from delivery import test_send, tokens
from delivery.mailbox.store import MailboxStore
from delivery.models import Event, Progress, SendLog
from tests.delivery.staff import member, source, stranger
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    SenderFactory,
    SuppressionFactory,
    TemplateFactory,
    WorkspaceFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


def only_mail(mailbox: MailboxStore) -> EmailMessage:
    [message] = mailbox.search().messages
    return cast(EmailMessage, message_from_bytes(source(mailbox, message.id) or b"", policy=policy.default))


def token_of(mail: EmailMessage) -> tokens.Reference:
    return tokens.read(mail["List-Unsubscribe"].strip("<>").rpartition("/")[2])


def post(campaign: Campaign, role: Membership.Role = Membership.Role.EDITOR, **fields: object) -> str:
    data = {"address": "me@example.org"}
    client = member(campaign.workspace, role)
    response = client.post(reverse("delivery:send_test", args=[campaign.pk]), data | fields)
    assert response.status_code == 200
    return response.content.decode()


def test_a_test_is_rendered_as_the_customer_and_goes_to_the_address(mailbox: MailboxStore) -> None:
    campaign, customer = CampaignFactory(), CustomerFactory(name="Ada Lovelace")
    outcome = test_send.send(campaign, "me@example.org", customer)
    assert (outcome.error, outcome.rendered_as) == ("", customer.email)
    mail = only_mail(mailbox)
    assert mail["Subject"] == "[Test] Hello Ada Lovelace"
    assert "<me@example.org>" in mail["To"]
    assert "Hello Ada Lovelace" in mail.get_body(("html",)).get_content()
    assert mailbox.search().messages[0].recipient == "me@example.org"


def test_a_test_belongs_to_no_campaign_and_to_nobody(mailbox: MailboxStore) -> None:
    campaign = CampaignFactory()
    test_send.send(campaign, "me@example.org", CustomerFactory())
    assert mailbox.count(campaign.pk) == 0
    reference = token_of(only_mail(mailbox))
    assert reference == tokens.Reference(campaign.workspace_id, 0, 0)


def test_a_test_writes_nothing(mailbox: MailboxStore) -> None:
    test_send.send(CampaignFactory(), "me@example.org", CustomerFactory())
    assert mailbox.count() == 1
    assert not any(model.objects.exists() for model in (SendLog, Progress, Event, Content))


def test_a_click_on_the_unsubscribe_link_of_a_test_harms_nobody(mailbox: MailboxStore) -> None:
    customer = CustomerFactory(email="me@example.org")
    test_send.send(CampaignFactory(), "me@example.org", customer)
    link = only_mail(mailbox)["List-Unsubscribe"].strip("<>").rpartition("/u/")[2]
    client = member(customer.workspace)
    assert client.post(reverse("delivery:unsubscribe", args=[link])).status_code == 200
    assert Customer.objects.get().subscribed


def test_two_tests_are_two_messages_to_a_mail_program(mailbox: MailboxStore) -> None:
    campaign, customer = CampaignFactory(), CustomerFactory()
    for _ in range(2):
        test_send.send(campaign, "me@example.org", customer)
    raws = [source(mailbox, message.id) or b"" for message in mailbox.search().messages]
    assert len({message_from_bytes(raw)["Message-ID"] for raw in raws}) == 2


def test_the_errors_of_the_server_are_told(settings: Settings) -> None:
    settings.MAILBOX_PORT = 9
    outcome = test_send.send(CampaignFactory(), "me@example.org", CustomerFactory())
    assert "The server takes no connections on this port" in outcome.error


def test_a_sender_that_is_set_up_wrongly_is_told() -> None:
    sender = SenderFactory(transport=Sender.Transport.SMTP, host="")
    outcome = test_send.send(CampaignFactory(senders=[sender]), "me@example.org", CustomerFactory())
    assert outcome.error == "The sender has no SMTP server. Enter its host."


def test_the_first_usable_sender_takes_the_test(mailbox: MailboxStore) -> None:
    stopped, ready = (
        SenderFactory(state=Sender.State.STOPPED),
        SenderFactory(from_email="second@acme.example"),
    )
    outcome = test_send.send(CampaignFactory(senders=[stopped, ready]), "me@example.org", CustomerFactory())
    assert outcome.sender == ready


@pytest.mark.parametrize(
    ("campaign", "words"),
    [
        ({"template": None}, "No template is chosen"),
        ({"senders": []}, "No sender of this campaign can be used"),
        ({"template__body": "{% if %}"}, "cannot be rendered as"),
        ({"template__subject": "{{ customer.attributes | no_such_filter }}"}, "cannot be rendered as"),
    ],
)
def test_what_is_missing_is_said(mailbox: MailboxStore, campaign: dict[str, object], words: str) -> None:
    assert words in test_send.send(CampaignFactory(**campaign), "me@example.org", CustomerFactory()).error
    assert mailbox.count() == 0


def test_switched_off_sending_holds_for_tests(mailbox: MailboxStore, settings: Settings) -> None:
    settings.ENABLE_EMAIL_SCHEDULER = False
    assert "switched off" in test_send.send(CampaignFactory(), "me@example.org", CustomerFactory()).error
    assert mailbox.count() == 0


def test_a_suppressed_address_gets_no_test_either(mailbox: MailboxStore) -> None:
    SuppressionFactory(email="gone@example.com")
    outcome = test_send.send(CampaignFactory(), "gone@example.com", CustomerFactory())
    assert outcome.error == "gone@example.com is suppressed (Added by staff). Use another address."
    assert mailbox.count() == 0


def test_somebody_is_of_the_audience() -> None:
    workspace = CustomerFactory(subscribed=False, sms_subscribed=False).workspace
    wanted = CustomerFactory(sms_subscribed=True)
    CustomerFactory(workspace__slug="elsewhere", sms_subscribed=True)
    assert {test_send.somebody(workspace, Audience.BOTH, None) for _ in range(20)} == {wanted}
    assert test_send.somebody(workspace, Audience.SMS_ONLY, None) is None
    assert test_send.somebody(workspace, Audience.SEGMENT, None) is None


def test_the_page_sends_a_test_rendered_as_somebody_of_the_audience(mailbox: MailboxStore) -> None:
    campaign = CampaignFactory(audience="sms_only", segment=None)
    CustomerFactory.create_batch(3)
    other = CustomerFactory(subscribed=False, sms_subscribed=True)
    page = post(campaign)
    assert "Sent to me@example.org" in page
    assert f"rendered as {other.email}" in page
    assert mailbox.count() == 1


def test_the_page_renders_as_the_customer_that_was_chosen(mailbox: MailboxStore) -> None:
    campaign, chosen = CampaignFactory(), CustomerFactory(subscribed=False)
    CustomerFactory.create_batch(3)
    assert f"rendered as {chosen.email}" in post(campaign, render_as=f" {chosen.email.upper()}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"address": ""}, "Enter the address"),
        ({"address": "nonsense"}, "has no @"),
        ({"address": "<script>@example.com"}, "&lt;script&gt;"),
        ({"address": "jörg@example.com"}, "cannot be mailed"),
        ({"render_as": "nobody@example.com"}, "There is no customer nobody@example.com"),
        ({"render_as": "nonsense"}, "has no @"),
    ],
)
def test_every_form_gets_an_answer(mailbox: MailboxStore, fields: dict[str, str], words: str) -> None:
    CustomerFactory()
    assert words in post(CampaignFactory(), **fields)


def test_an_audience_without_anybody_is_said(mailbox: MailboxStore) -> None:
    CustomerFactory()
    assert "Nobody is in this audience" in post(CampaignFactory(audience="sms_only", segment=None))


def test_customers_of_another_workspace_lend_no_name(mailbox: MailboxStore) -> None:
    foreign = CustomerFactory(workspace__slug="elsewhere", email="secret@example.com")
    campaign = CampaignFactory()
    assert "There is no customer" in post(campaign, render_as=foreign.email)
    assert mailbox.count() == 0


def test_an_analyst_sends_no_test_and_a_stranger_finds_nothing() -> None:
    campaign = CampaignFactory()
    url = reverse("delivery:send_test", args=[campaign.pk])
    assert member(campaign.workspace, Membership.Role.ANALYST).post(url).status_code == 403
    assert stranger().post(url).status_code == 404
    assert member(campaign.workspace).get(url).status_code == 405


def test_customers_are_suggested_by_the_beginning_of_their_address() -> None:
    campaign = CampaignFactory(template=TemplateFactory())
    for email in ("ada@example.com", "adam@example.com", "bob@example.com", "a_a@example.com"):
        CustomerFactory(email=email)
    CustomerFactory(workspace__slug="elsewhere", email="ada-elsewhere@example.com")
    url = reverse("delivery:send_customers", args=[campaign.pk])

    def suggested(text: str) -> int:
        return member(campaign.workspace).get(url, {"render_as": text}).content.decode().count("<option")

    assert [suggested(text) for text in ("ADA", "a_", "%", "")] == [2, 1, 0, 4]
    assert stranger().get(url).status_code == 404


# --- Of a template, in the editor -----------------------------------------------------------------------


def post_template(
    template: Template, role: Membership.Role = Membership.Role.EDITOR, **fields: object
) -> str:
    written = {"format": "html", "subject": "Unsaved for {{ customer_name }}", "body": "<p>Not saved</p>"}
    data = {"address": "me@example.org", "sender": SenderFactory().pk, **written, **fields}
    client = member(template.workspace, role)
    response = client.post(reverse("delivery:template_test", args=[template.pk]), data)
    return response.content.decode() if response.status_code == 200 else str(response.status_code)


def test_a_template_is_tested_as_it_stands_in_the_editor(mailbox: MailboxStore) -> None:
    template = TemplateFactory()
    attach(template, "a.txt", b"hello")
    ada = CustomerFactory(email="ada@example.com", name="Ada")
    CustomerFactory(name="Grace")
    assert "Sent to me@example.org" in post_template(template, preview_as=ada.email)
    mail = only_mail(mailbox)
    assert mail["Subject"] == "[Test] Unsaved for Ada"
    assert "Not saved" in mail.get_body(("html",)).get_content()
    assert [part.get_filename() for part in mail.iter_attachments()] == ["a.txt"]
    assert token_of(mail) == tokens.Reference(template.workspace_id, 0, 0)
    template.refresh_from_db()
    assert "Not saved" not in template.body


def test_a_test_of_a_template_says_what_is_missing(mailbox: MailboxStore, settings: Settings) -> None:
    template = TemplateFactory()
    assert "There is no customer to render the test as" in post_template(template)
    CustomerFactory()
    assert "cannot be rendered" in post_template(template, body="{% if %}")
    assert "Enter the address" in post_template(template, address="")
    assert "Choose a sender" in post_template(template, sender="")
    foreign = SenderFactory(workspace=WorkspaceFactory(slug="other"))
    stopped = SenderFactory(state=Sender.State.STOPPED)
    for sender in (foreign, stopped):
        assert "That sender cannot be used now" in post_template(template, sender=sender.pk)
    assert "There is no customer x@example.com" in post_template(template, preview_as="x@example.com")
    assert post_template(template, Membership.Role.ANALYST) == "403"
    settings.ENABLE_EMAIL_SCHEDULER = False
    assert "switched off" in post_template(template)
    assert mailbox.count() == 0
