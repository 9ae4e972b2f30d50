"""A sender's form where it is about e-mail services: what goes in stays in, and what lacks is said."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audience.models import Membership
from campaigns import readiness
from campaigns.esps import ESPS
from campaigns.models import Grant, Sender
from tests.factories import CampaignFactory, MembershipFactory, SenderFactory

pytestmark = pytest.mark.django_db
ADD = "admin:campaigns_sender_add"


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.MANAGER).user)
    return client


def form(esp: str, **entered: Any) -> dict[str, Any]:
    return {
        "name": "News",
        "from_email": "news@acme.example",
        "transport": "esp",
        "esp": esp,
        "port": 587,
        "security": "starttls",
        "min_delay": 0,
        "limits-TOTAL_FORMS": 0,
        "limits-INITIAL_FORMS": 0,
        "warm_up-TOTAL_FORMS": 0,
        "warm_up-INITIAL_FORMS": 0,
        **entered,
    }


def postmark(**columns: Any) -> Sender:
    sender: Sender = SenderFactory(name="News", from_name="", transport="esp", esp="postmark", **columns)
    sender.set_credentials({"server_token": "s3cr3t", "message_stream": "broadcast"})
    sender.save(update_fields=["sealed_credentials"])
    return sender


def change(staff: Client, sender: Sender, data: dict[str, Any]) -> str:
    """What the page says after the form was sent; empty when it was taken."""
    page = staff.post(reverse("admin:campaigns_sender_change", args=[sender.pk]), data)
    sender.refresh_from_db()
    return "" if page.status_code == 302 else page.text


@pytest.mark.parametrize("name", ESPS)
def test_each_service_can_be_told_what_it_asks_for(staff: Client, name: str) -> None:
    told = {credential.name: f"told-{credential.name}" for credential in ESPS[name].credentials}
    data = form(name, **{f"{name}_{key}": value for key, value in told.items()})
    data["api_url"] = "https://api.acme.example/v1" if ESPS[name].needs_api_url else ""
    assert staff.post(reverse(ADD), data).status_code == 302
    sender = Sender.objects.get()
    assert (sender.transport, sender.esp, sender.credentials()) == ("esp", name, told)
    assert "told-" not in sender.sealed_credentials


@pytest.mark.parametrize("name", ESPS)
def test_each_service_says_what_it_lacks(staff: Client, name: str) -> None:
    page = staff.post(reverse(ADD), form(name))
    required = [credential for credential in ESPS[name].credentials if credential.required]
    assert page.text.count(f"{ESPS[name].label} asks for this. Enter it.") == len(required)
    assert ("has no address that goes for everyone" in page.text) is ESPS[name].needs_api_url
    assert not Sender.objects.exists()


def test_a_service_has_to_be_chosen(staff: Client) -> None:
    assert "Choose the service" in staff.post(reverse(ADD), form("")).text


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "k" * 501])
def test_what_no_key_can_be_is_refused_and_not_repeated(staff: Client, key: str) -> None:
    page = staff.post(reverse(ADD), form("brevo", brevo_api_key=key)).text
    assert "Copy it anew." in page
    assert key not in page


def test_spaces_around_a_copied_key_are_no_part_of_it(staff: Client) -> None:
    assert staff.post(reverse(ADD), form("brevo", brevo_api_key=" key \n")).status_code == 302
    assert Sender.objects.get().credentials() == {"api_key": "key"}


@pytest.mark.parametrize(
    ("api_url", "says"),
    [
        ("ftp://api.acme.example", "Enter a valid URL"),
        ("http://api.acme.example", "Begin with https"),
        ("https://u:p@api.acme.example", "without a user name"),
    ],
)
def test_an_address_that_would_give_the_key_away_is_refused(staff: Client, api_url: str, says: str) -> None:
    data = form("brevo", brevo_api_key="key", api_url=api_url)
    assert says in staff.post(reverse(ADD), data).text


def test_what_was_typed_for_another_service_or_transport_is_overlooked(staff: Client) -> None:
    data = form("brevo", brevo_api_key="key", postmark_server_token="two words")
    assert staff.post(reverse(ADD), data).status_code == 302
    data = form("", name="Box", api_url="nonsense", brevo_api_key="two words") | {"transport": "mailbox"}
    assert staff.post(reverse(ADD), data).status_code == 302
    assert Sender.objects.get(name="Box").api_url == ""


def test_a_secret_is_never_shown_and_what_is_none_is(staff: Client) -> None:
    page = staff.get(reverse("admin:campaigns_sender_change", args=[postmark().pk])).text
    assert "s3cr3t" not in page
    assert re.search(r'name="postmark_message_stream" value="broadcast"', page)
    assert page.count("Leave empty to keep the one that is stored.") == 2  # the SMTP password's, and this


def test_an_empty_secret_keeps_the_stored_one(staff: Client) -> None:
    sender = postmark()
    assert change(staff, sender, form("postmark", from_name="Ada", postmark_message_stream="b2")) == ""
    assert sender.from_name == "Ada"
    assert sender.credentials() == {"server_token": "s3cr3t", "message_stream": "b2"}


def test_a_new_secret_replaces_the_stored_one(staff: Client) -> None:
    sender = postmark()
    assert change(staff, sender, form("postmark", postmark_server_token="new")) == ""
    assert sender.credentials() == {"server_token": "new"}


def test_a_secret_is_given_to_no_other_address_unasked(staff: Client) -> None:
    sender = postmark()
    away = form("postmark", api_url="https://elsewhere.example/")
    assert "no other address is given it unasked" in change(staff, sender, away)
    assert sender.api_url == ""
    assert change(staff, sender, away | {"postmark_server_token": "again"}) == ""
    assert sender.credentials() == {"server_token": "again"}


def test_a_secret_is_given_to_no_other_service(staff: Client) -> None:
    sender = postmark(state=Sender.State.STOPPED)
    sender.set_credentials({"api_key": "s3cr3t"})
    sender.esp = "brevo"
    sender.save(update_fields=["esp", "sealed_credentials"])
    assert "Resend asks for this. Enter it." in change(staff, sender, form("resend"))
    assert sender.credentials() == {"api_key": "s3cr3t"}


def test_another_transport_leaves_the_credentials_alone(staff: Client) -> None:
    sender = postmark()
    assert change(staff, sender, form("postmark") | {"transport": "mailbox"}) == ""
    assert sender.credentials()["server_token"] == "s3cr3t"


def test_credentials_that_cannot_be_read_are_asked_for_again(staff: Client, settings: Settings) -> None:
    sender = postmark()
    settings.CREDENTIAL_KEYS = ["another"]
    assert "Postmark asks for this. Enter it." in change(staff, sender, form("postmark"))
    assert change(staff, sender, form("postmark", postmark_server_token="new")) == ""
    assert sender.credentials() == {"server_token": "new"}


def test_an_analyst_reads_which_service_it_is_and_nothing_that_is_told_to_it(client: Client) -> None:
    sender = postmark()
    client.force_login(MembershipFactory(role=Membership.Role.ANALYST).user)
    page = client.get(reverse("admin:campaigns_sender_change", args=[sender.pk])).text
    assert "Postmark" in page
    assert "s3cr3t" not in page
    assert "Server API token" not in page
    assert "Port" not in page


@pytest.mark.parametrize(
    ("state", "says"),
    [(Sender.State.STOPPED, "This sender was stopped."), (Sender.State.UNVERIFIED, "The last test failed.")],
)
def test_what_is_wrong_with_a_sender_stands_above_its_form(
    staff: Client, state: Sender.State, says: str
) -> None:
    sender = postmark(state=state, last_error="The service refused the key.")
    page = staff.get(reverse("admin:campaigns_sender_change", args=[sender.pk])).text
    assert says in page
    assert page.index("The service refused the key.") < page.index('name="from_email"')


# --- Mailboxes that are connected --------------------------------------------------------------------


def mailbox_form(transport: str, **entered: Any) -> dict[str, Any]:
    return form("", transport=transport, from_email="ada@gmail.com", **entered)


def of_ada() -> Sender:
    """A sender whose mailbox is connected."""
    sender: Sender = SenderFactory(
        name="News", from_name="", transport="gmail", from_email="ada@gmail.com", state=Sender.State.READY
    )
    grant = Grant(sender=sender, provider="gmail", account="ada@gmail.com", expires_at=timezone.now())
    grant.set_tokens({"access": "s3cr3t-a", "refresh": "s3cr3t-r"})
    grant.save(force_insert=True)
    return sender


@pytest.mark.parametrize("transport", ["gmail", "microsoft"])
def test_a_new_mailbox_cannot_be_used_before_it_is_connected(staff: Client, transport: str) -> None:
    page = staff.post(reverse(ADD), mailbox_form(transport), follow=True)
    sender = Sender.objects.get()
    assert (sender.state, sender.is_usable) == (Sender.State.RECONNECT, False)
    # It stays with the sender, where the button is.
    assert page.redirect_chain[-1][0] == reverse("admin:campaigns_sender_change", args=[sender.pk])
    assert "This mailbox has to be connected." in page.text
    assert f"/senders/{sender.pk}/mailbox/" in page.text
    [problem] = readiness._sender_problems(CampaignFactory(senders=[sender]))
    assert "is not connected yet" in problem


def test_an_address_that_is_not_the_connected_mailboxs_needs_connecting(staff: Client) -> None:
    sender = of_ada()
    assert change(staff, sender, mailbox_form("gmail", from_name="Ada")) == ""
    assert (sender.state, sender.from_name) == (Sender.State.READY, "Ada")
    assert change(staff, sender, mailbox_form("gmail") | {"from_email": "bob@gmail.com"}) == ""
    assert sender.state == Sender.State.RECONNECT
    assert "The connected mailbox is ada@gmail.com" in sender.last_error


def test_another_provider_needs_connecting(staff: Client) -> None:
    sender = of_ada()
    assert change(staff, sender, mailbox_form("microsoft")) == ""
    assert sender.state == Sender.State.RECONNECT


def test_a_sender_that_needs_no_connection_any_more_may_be_tried(staff: Client) -> None:
    sender = of_ada()
    Sender.objects.update(state=Sender.State.RECONNECT, last_error="The consent is over.")
    assert change(staff, sender, form("") | {"transport": "mailbox"}) == ""
    assert (sender.state, sender.last_error) == (Sender.State.UNVERIFIED, "")
    assert not Grant.objects.exists()


def test_no_token_is_shown_to_anybody(staff: Client) -> None:
    sender = of_ada()
    pages = [
        reverse("admin:campaigns_sender_change", args=[sender.pk]),
        reverse("admin:campaigns_sender_history", args=[sender.pk]),
        f"/senders/{sender.pk}/mailbox/",
    ]
    for page in pages:
        assert "s3cr3t" not in staff.get(page).text
    assert "s3cr3t" not in Grant.objects.get().sealed_tokens
