"""What comes back, on a sender's page and in the list of reports: who sees what, and in which words."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audience.models import Membership
from campaigns.esps import ESPS
from campaigns.models import Campaign, Sender
from delivery import operations
from delivery.inbound import hooks, inbox
from delivery.inbound.receivers import Call
from delivery.inbound.services import REPORTING
from delivery.models import Hook, Inbound, SendLog
from tests.delivery.staff import member, stranger, superuser
from tests.delivery.webhooks.mails import sent, take
from tests.factories import SenderFactory

pytestmark = pytest.mark.django_db
MakeCampaign = Callable[..., Campaign]
Role = Membership.Role


def url(sender: Sender, door: str = "") -> str:
    return f"/senders/{sender.pk}/reports/{door}"


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.fixture
def sender() -> Sender:
    found: Sender = SenderFactory(transport="esp", esp="mailgun")
    return found


@pytest.fixture
def editor(sender: Sender) -> Client:
    return member(sender.workspace, Role.EDITOR)


# --- The panel ----------------------------------------------------------------------------------------------


def test_the_address_is_made_shown_again_and_replaced_after_a_question(
    sender: Sender, editor: Client
) -> None:
    assert "No report yet" in editor.get(url(sender)).text
    assert "Make its address" in editor.get(url(sender)).text
    editor.post(url(sender, "address/"))
    first = hooks.url(Hook.objects.get())
    assert first in editor.get(url(sender)).text
    editor.post(url(sender, "address/"))
    assert hooks.url(Hook.objects.get()) == first
    asked = editor.get(url(sender), {"ask": 1}).text
    assert "Replace the secret?" in asked
    assert hooks.url(Hook.objects.get()) == first
    replaced = editor.post(url(sender, "address/"), {"replace": "yes"}).text
    second = hooks.url(Hook.objects.get())
    assert second != first
    assert second in replaced
    assert "Paste the new address" in replaced


def test_the_key_goes_in_and_never_comes_out(sender: Sender, editor: Client) -> None:
    editor.post(url(sender, "address/"))
    assert "Reports are refused until “HTTP webhook signing key” is entered." in editor.get(url(sender)).text
    page = editor.post(url(sender, "key/"), {"key": " s3cr3t-\n key "}).text
    assert "Saved." in page
    assert "s3cr3t" not in editor.get(url(sender)).text
    assert "Reports are refused" not in page
    assert hooks.key_of(Hook.objects.get()) == "s3cr3t-key"
    assert "Forgotten." in editor.post(url(sender, "key/"), {"key": ""}).text
    assert hooks.key_of(Hook.objects.get()) == ""


@pytest.mark.parametrize("key", ["schlüssel", "a\0b", "x" * 2001])
def test_what_is_no_key_is_refused(sender: Sender, editor: Client, key: str) -> None:
    assert "Copy it anew." in editor.post(url(sender, "key/"), {"key": key}).text
    assert not Hook.objects.exists()


@pytest.mark.parametrize("service", sorted(ESPS))
def test_the_page_says_what_to_do_at_each_service(sender: Sender, editor: Client, service: str) -> None:
    Sender.objects.update(esp=service)
    hooks.make(sender)
    page = words(editor.get(url(sender)).text)
    if service not in REPORTING:
        assert "cannot report to Drumbeat yet" in page
        return
    reporting = REPORTING[service]
    assert words(reporting.where) in page
    assert hooks.url(Hook.objects.get()) in editor.get(url(sender)).text
    assert (reporting.key is not None) == ('name="key"' in editor.get(url(sender)).text)


@pytest.mark.parametrize(
    ("transport", "said"), [("smtp", "manage.py take_report"), ("mailbox", "reports nothing")]
)
def test_a_sender_without_a_service_is_told_what_goes_for_it(
    sender: Sender, editor: Client, transport: str, said: str
) -> None:
    Sender.objects.update(transport=transport)
    page = editor.get(url(sender)).text
    assert said in page
    assert "Make its address" not in page


def test_when_the_last_report_came_in_is_said(active_campaign: MakeCampaign) -> None:
    [row] = sent(active_campaign(1))
    take(row)
    page = member(row.workspace).get(url(row.sender)).text
    assert "The last report came in" in page
    assert f"sender__id__exact={row.sender_id}" in page


def test_those_who_may_only_read_see_no_secret_and_change_nothing(sender: Sender) -> None:
    address = hooks.url(hooks.make(sender))
    analyst = member(sender.workspace, Role.ANALYST)
    assert address not in analyst.get(url(sender)).text
    for door in ("address/", "key/"):
        assert analyst.post(url(sender, door), {"replace": "yes", "key": "k"}).status_code == 403
        assert stranger().post(url(sender, door), {"replace": "yes"}).status_code == 404
        assert analyst.get(url(sender, door)).status_code == 405
    assert stranger().get(url(sender)).status_code == 404
    assert hooks.url(Hook.objects.get()) == address


def test_secrets_that_cannot_be_read_are_said_and_can_be_replaced(
    sender: Sender, editor: Client, settings: Settings
) -> None:
    hooks.make(sender)
    settings.CREDENTIAL_KEYS = ["another"]
    assert "CREDENTIAL_KEYS" in editor.get(url(sender)).text
    assert "CREDENTIAL_KEYS" in editor.post(url(sender, "key/"), {"key": "k"}).text
    page = editor.post(url(sender, "address/"), {"replace": "yes"}).text
    assert hooks.url(Hook.objects.get()) in page


@pytest.mark.parametrize(
    ("site", "warns"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://10.0.0.8", True),
        ("https://mail.acme.example", False),
    ],
)
def test_an_address_that_nobody_outside_reaches_is_said(
    sender: Sender, editor: Client, settings: Settings, site: str, warns: bool
) -> None:
    settings.SITE_URL = site
    hooks.make(sender)
    assert ("Nobody outside reaches" in editor.get(url(sender)).text) == warns


# --- The list -----------------------------------------------------------------------------------------------


@pytest.fixture
def row(active_campaign: MakeCampaign) -> SendLog:
    return sent(active_campaign(1))[0]


def test_a_report_shows_what_it_says_about_which_mail(row: SendLog) -> None:
    take(row, "amazon_ses hard")
    inbox.process(1)
    page = words(
        superuser().get(reverse("admin:delivery_inbound_change", args=[Inbound.objects.get().pk])).text
    )
    assert "Hard bounce" in page
    assert row.email in page
    assert "550 5.1.1 The email account" in page
    assert "Message › bounce › bounceType Permanent" in page
    assert '{"' not in page.split("As it came")[1].split("General")[0]


@pytest.mark.parametrize("service", ["mail", "mandrill", "postmark"])
@pytest.mark.parametrize("body", [b"", b"\xff\0", b"{", b"<script>alert(1)</script>", b"[1, null, {}]"])
def test_whatever_a_report_holds_can_be_looked_at(row: SendLog, service: str, body: bytes) -> None:
    inbox.take(row.sender, service, Call({"Content-Type": "text/plain"}, body))
    page = superuser().get(reverse("admin:delivery_inbound_change", args=[Inbound.objects.get().pk]))
    assert page.status_code == 200
    assert "<script>alert" not in page.text


def test_reports_are_found_by_sender_moment_and_state(row: SendLog) -> None:
    take(row)
    inbox.take(row.sender, "postmark", Call({}, b"\xff"))
    failed = Inbound.objects.latest("pk")
    Inbound.objects.filter(pk=failed.pk).update(error="e", processed_at=failed.received_at)
    listed = reverse("admin:delivery_inbound_changelist")
    client = superuser()
    for query, found in (
        ({"q": row.sender.name}, 2),
        ({"q": "nobody"}, 0),
        ({"received": "1"}, 2),
        ({"received": "failed"}, 1),
        ({"sender__id__exact": row.sender_id}, 2),
        ({"sender__id__exact": 0}, 0),
    ):
        assert len(client.get(listed, query).context["cl"].result_list) == found, query


def test_reports_are_only_read(row: SendLog) -> None:
    take(row)
    pk = Inbound.objects.get().pk
    client = superuser()
    assert client.post(reverse("admin:delivery_inbound_change", args=[pk]), {"error": "x"}).status_code == 403
    assert client.post(reverse("admin:delivery_inbound_delete", args=[pk])).status_code == 403
    assert client.get(reverse("admin:delivery_inbound_add")).status_code == 403


# --- Operations ---------------------------------------------------------------------------------------------


def test_operations_and_health_know_what_waits_and_what_was_given_up(row: SendLog) -> None:
    client = superuser()
    assert "all processed" in client.get("/operations/panel/").text
    take(row)
    page = words(client.get("/operations/panel/").text)
    assert "1 waiting for 0 s" in page
    assert Client().get("/health/").json()["checks"]["reports"] == "ok"
    found = operations.reports()
    assert (found.waiting.count, found.given_up) == (1, 0)
    Inbound.objects.update(processed_at=Inbound.objects.get().received_at, error="e")
    assert "all processed, 1 given up" in words(client.get("/operations/panel/").text)
