"""Unsubscribing: nothing on GET, at once on POST, whatever else has changed since the mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from audience import consent
from audience.models import ConsentRecord, Customer, Suppression
from campaigns.models import Campaign
from delivery import tokens
from delivery.mailbox.store import MailboxStore
from delivery.message import unsubscribe_link
from delivery.models import Event, Progress, SendLog
from delivery.worker import Worker
from tests.factories import CustomerFactory, WorkspaceFactory

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"


def link_to(customer: Customer, row_id: int = 1) -> str:
    """The path of the link that a mail to this person carries."""
    link = unsubscribe_link(tokens.make(tokens.Reference(customer.workspace_id, customer.pk, row_id)))
    return "/u/" + link.rpartition("/u/")[2]


def is_subscribed(customer: Customer) -> bool:
    customer.refresh_from_db()
    suppressed = Suppression.objects.filter(workspace=customer.workspace, email=customer.email).exists()
    assert customer.subscribed != suppressed
    return customer.subscribed


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_look_changes_nothing(method: str) -> None:
    customer = CustomerFactory()
    with CaptureQueriesContext(connection) as queries:
        response = getattr(Client(), method)(link_to(customer))
    assert response.status_code == 200
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
    assert is_subscribed(customer)
    assert not Event.objects.exists()


def test_the_page_has_a_button_and_needs_no_script() -> None:
    customer = CustomerFactory()
    page = Client().get(link_to(customer)).content.decode()
    assert '<form method="post">' in page
    assert "Acme" in page
    assert "<script" not in page
    assert customer.email not in page


@pytest.mark.parametrize(
    ("body", "content_type", "source"),
    [
        (ONE_CLICK, FORM, "one_click"),
        ('--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
         "multipart/form-data; boundary=b", "one_click"),
        ("", FORM, "link"),
        ("", "", "link"),
        ("--b\r\nContent-Disp", "multipart/form-data; boundary=b", "link"),
        ("x", "multipart/form-data", "link"),
        ("\x00\xff{", "application/json", "link"),
        ("&".join(f"a{n}=1" for n in range(2000)), FORM, "link"),
    ],
)  # fmt: skip
def test_every_body_acts_at_once(body: str, content_type: str, source: str) -> None:
    customer = CustomerFactory()
    client = Client(enforce_csrf_checks=True)
    response = client.post(link_to(customer), body, content_type=content_type)
    assert response.status_code == 200
    assert "You are unsubscribed" in response.content.decode()
    assert customer.email not in response.content.decode()
    assert not response.cookies
    assert not is_subscribed(customer)
    assert ConsentRecord.objects.get().source == source
    assert Event.objects.get().type == "unsubscribed"


def test_a_customer_behind_the_link_is_recorded_with_the_evidence() -> None:
    customer = CustomerFactory()
    Client().post(link_to(customer, row_id=77), REMOTE_ADDR="192.0.2.9")
    record = ConsentRecord.objects.get()
    assert (record.customer, record.granted, record.evidence, record.ip_address) == (
        customer, False, "mail 77", "192.0.2.9",
    )  # fmt: skip


def test_repeating_is_harmless() -> None:
    customer = CustomerFactory()
    for _ in range(3):
        assert Client().post(link_to(customer)).status_code == 200
    assert not is_subscribed(customer)
    assert ConsentRecord.objects.count() == Suppression.objects.count() == 1


def test_a_look_afterwards_shows_that_it_is_done() -> None:
    customer = CustomerFactory()
    Client().post(link_to(customer))
    page = Client().get(link_to(customer)).content.decode()
    assert "You are unsubscribed" in page
    assert "<form" not in page


def test_it_works_when_campaign_and_ledger_are_gone(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    customer, link = Customer.objects.get(), link_to(Customer.objects.get(), SendLog.objects.get().pk)
    SendLog.objects.all().delete()
    Campaign.objects.filter(pk=campaign.pk).delete()
    assert Client().post(link).status_code == 200
    assert not is_subscribed(customer)


def test_it_works_again_after_the_person_came_back() -> None:
    customer = CustomerFactory()
    Client().post(link_to(customer))
    consent.subscribe(customer, channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.STAFF)
    assert is_subscribed(customer)
    assert "<form" in Client().get(link_to(customer)).content.decode()
    Event.objects.update(key="earlier")  # The two happen within one second only here.
    Client().post(link_to(customer))
    assert not is_subscribed(customer)


def test_a_deleted_customer_is_told_the_same(active_campaign: MakeCampaign) -> None:
    customer = CustomerFactory()
    link = link_to(customer)
    Customer.objects.all().delete()
    for response in (Client().get(link), Client().post(link)):
        assert response.status_code == 200
        assert "You are unsubscribed" in response.content.decode()


def test_the_same_number_in_another_workspace_is_another_person() -> None:
    customer, other = CustomerFactory(), CustomerFactory(workspace__slug="elsewhere")
    token = tokens.make(tokens.Reference(other.workspace_id, customer.pk, 1))
    Client().post(f"/u/{token}")
    assert is_subscribed(customer)
    assert is_subscribed(other)


def bad_tokens() -> list[Any]:
    good = tokens.make(tokens.Reference(1, 1, 1))
    flipped = "A" if good[-2] != "A" else "B"
    return [
        good[:-2] + flipped + good[-1],
        good[:-4],
        good + "AAAA",
        "x",
        "%00",
        "é" * 43,
        "a" * 3000,
        "A" * 43,
    ]


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_bad_token_is_not_found_and_says_nothing(number: int, method: str) -> None:
    responses = [getattr(Client(), method)(f"/u/{token}") for token in (bad_tokens()[number], "wrong")]
    assert [response.status_code for response in responses] == [404, 404]
    assert responses[0].content == responses[1].content
    assert "This link does not work" in responses[0].content.decode()
    assert not Event.objects.exists()


def test_a_link_signed_with_an_earlier_key_still_works(settings: Settings) -> None:
    settings.LINK_KEYS = ["old"]
    customer = CustomerFactory()
    link = link_to(customer)
    settings.LINK_KEYS = ["new", "old"]
    Client().post(link)
    assert not is_subscribed(customer)


def test_no_other_method_is_taken() -> None:
    customer = CustomerFactory()
    assert [getattr(Client(), name)(link_to(customer)).status_code for name in ("put", "delete")] == [
        405,
        405,
    ]
    assert is_subscribed(customer)


def test_pages_are_not_kept_by_caches() -> None:
    assert "no-store" in Client().get(link_to(CustomerFactory())).headers["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_is_queued_already_is_not_sent(
    active_campaign: MakeCampaign, mailbox: MailboxStore
) -> None:
    campaign = active_campaign(3)
    leaver = Customer.objects.order_by("id").first()
    row = SendLog.objects.get(customer_id=leaver.pk)
    Client().post(link_to(leaver, row.pk), ONE_CLICK, content_type=FORM)
    with Worker() as worker:
        worker.run_until_idle()
    row.refresh_from_db()
    assert (row.status, row.reason) == ("suppressed", "unsubscribe")
    assert leaver.email not in list(mailbox.recipients(campaign.pk))
    assert mailbox.count(campaign.pk) == 2
    assert Progress.objects.get().suppressed == 1


def test_link_of_a_test_mail_says_that_it_does_nothing() -> None:
    token = tokens.make(tokens.Reference(WorkspaceFactory().pk, 0, 0))
    for answer in (Client().get(f"/u/{token}"), Client().post(f"/u/{token}")):
        assert answer.status_code == 200
        assert "nobody was unsubscribed" in answer.content.decode()
