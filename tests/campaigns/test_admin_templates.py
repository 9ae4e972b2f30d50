"""What the admin has of templates, and senders."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from tests.factories import (
    CampaignFactory,
    MembershipFactory,
    SenderFactory,
    TemplateFactory,
)


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    return client


def errors(page: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = page.context["adminform"].form.errors
    return found


def test_a_campaign_is_made_from_a_template(staff: Client) -> None:
    template, sender = TemplateFactory(name="Spring"), SenderFactory()
    url = reverse("admin:campaigns_template_campaign", args=[template.pk])
    assert staff.get(url).status_code == 405
    response = staff.post(url)
    campaign = Campaign.objects.get()
    assert response.url == reverse("delivery:send", args=[campaign.pk])  # type: ignore[attr-defined]
    assert (campaign.name, campaign.template, list(campaign.senders.all())) == ("Spring", template, [sender])


def test_of_several_senders_the_campaigns_maker_chooses(staff: Client) -> None:
    SenderFactory(), SenderFactory()
    response = staff.post(reverse("admin:campaigns_template_campaign", args=[TemplateFactory().pk]))
    campaign = Campaign.objects.get()
    assert response.url == reverse("admin:campaigns_campaign_change", args=[campaign.pk])  # type: ignore[attr-defined]
    assert not campaign.senders.exists()


def test_what_was_sent_can_be_read_and_not_changed(staff: Client) -> None:
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    url = reverse("admin:campaigns_content_change", args=[campaign.content_id])
    assert "Unsubscribe" in staff.get(url).text
    assert staff.post(url, {"subject": "x"}).status_code == 403


# --- Senders -------------------------------------------------------------------------------------------


def sender_form(sender: Sender | None = None, **changes: Any) -> dict[str, Any]:
    names = (
        "name",
        "from_name",
        "from_email",
        "reply_to",
        "transport",
        "host",
        "port",
        "security",
        "username",
        "min_delay",
    )
    no_limits = {
        f"{part}-{forms}_FORMS": 0 for part in ("limits", "warm_up") for forms in ("TOTAL", "INITIAL")
    }
    default = Sender(name="Shop", from_email="news@acme.example", transport="smtp", host="smtp.acme.example")
    return {name: getattr(sender or default, name) for name in names} | no_limits | changes


def change(sender: Sender) -> str:
    return reverse("admin:campaigns_sender_change", args=[sender.pk])


def test_a_password_goes_in_and_never_comes_out(staff: Client) -> None:
    add = reverse("admin:campaigns_sender_add")
    assert staff.post(add, sender_form(password=" s3cret ")).status_code == 302
    sender = Sender.objects.get()
    assert sender.password() == " s3cret "
    assert "s3cret" not in sender.sealed_password
    page = staff.get(change(sender)).text
    assert "s3cret" not in page and sender.sealed_password not in page

    staff.post(change(sender), sender_form(sender, name="Renamed", password=""))
    sender.refresh_from_db()
    assert (sender.name, sender.password()) == ("Renamed", " s3cret ")
    staff.post(change(sender), sender_form(sender, password="other"))
    sender.refresh_from_db()
    assert sender.password() == "other"


def test_a_stored_password_is_not_given_to_another_server(staff: Client) -> None:
    sender = SenderFactory(transport="smtp", host="smtp.acme.example")
    sender.set_password("s3cret")
    sender.save(update_fields=["sealed_password"])
    page = staff.post(change(sender), sender_form(sender, host="evil.example"))
    assert "Enter the password again" in page.text
    sender.refresh_from_db()
    assert sender.host == "smtp.acme.example"
    assert (
        staff.post(change(sender), sender_form(sender, host="new.example", password="x")).status_code == 302
    )


@pytest.mark.parametrize("name", ["Acme\r\nBcc: all@example.com", "Acme\x00", "Ac\u2028me"])
def test_a_from_name_cannot_break_a_header(staff: Client, name: str) -> None:
    page = staff.post(reverse("admin:campaigns_sender_add"), sender_form(from_name=name))
    assert "from_name" in errors(page)
    assert not Sender.objects.exists()


def test_an_smtp_sender_needs_a_server_and_a_mailbox_does_not(staff: Client) -> None:
    add = reverse("admin:campaigns_sender_add")
    assert "host" in errors(staff.post(add, sender_form(host="")))
    assert staff.post(add, sender_form(transport="mailbox", host="")).status_code == 302


def test_saving_a_stopped_sender_lets_it_be_tried_again(staff: Client) -> None:
    sender = SenderFactory(state=Sender.State.STOPPED, last_error="535 no")
    staff.post(change(sender), sender_form(sender, state="ready"))
    sender.refresh_from_db()
    assert (sender.state, sender.last_error) == (Sender.State.UNVERIFIED, "")


def test_a_sender_of_a_campaign_is_not_deleted(staff: Client) -> None:
    used, unused = SenderFactory(), SenderFactory()
    CampaignFactory(senders=[used])
    for sender in (used, unused):
        staff.post(reverse("admin:campaigns_sender_delete", args=[sender.pk]), {"post": "yes"})
    assert list(Sender.objects.all()) == [used]
