"""“Why did or didn't this person get it?”: the answer, its history and who may ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from audience.models import Customer, Suppression, Workspace
from campaigns.models import Campaign
from delivery.models import Event, SendLog
from tests.delivery.staff import member, stranger
from tests.factories import CampaignFactory, CustomerFactory, SuppressionFactory

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


def ask(campaign: Campaign, email: str = "") -> str:
    client = member(campaign.workspace)
    return client.get(reverse("delivery:why", args=[campaign.pk]), {"email": email}).content.decode()


def mails(customer: Customer) -> str:
    return reverse("delivery:customer_mails", args=[customer.pk])


def test_before_anything_is_asked_there_is_only_the_question() -> None:
    page = ask(CampaignFactory())
    assert 'name="email"' in page
    assert "data-answer" not in page


def test_a_sent_mail_is_answered_with_its_timeline_in_the_workspaces_zone(
    active_campaign: MakeCampaign,
) -> None:
    campaign = active_campaign(1)
    Workspace.objects.update(time_zone="Asia/Tokyo")
    row = SendLog.objects.get()
    sent_at = datetime(2026, 1, 31, 18, 0, tzinfo=UTC)
    SendLog.objects.update(status="sent", sent_at=sent_at)
    Event.objects.create(
        workspace=campaign.workspace, sendlog=row, customer_id=row.customer_id, type="clicked", source="link",
        key="k", at=sent_at,
    )  # fmt: skip
    page = ask(campaign, f" {row.email.upper()} ")
    assert f"Yes: sent to {row.email}." in page
    assert "1 Feb 2026, 03:00" in page
    assert "Asia/Tokyo" in page
    assert page.index("Entered into the ledger") < page.index("Handed over") < page.index("Clicked")


def test_a_refused_mail_names_its_reason(active_campaign: MakeCampaign) -> None:
    SuppressionFactory(email="gone@example.com", reason=Suppression.Reason.HARD_BOUNCE)
    CustomerFactory(email="gone@example.com")
    page = ask(active_campaign(0), "gone@example.com")
    assert "No: address bounced before." in page


@pytest.mark.parametrize("email", ["nobody@example.com", "no address", "<script>", "\x00", "a" * 5000])
def test_every_question_gets_an_answer(active_campaign: MakeCampaign, email: str) -> None:
    page = ask(active_campaign(1), email)
    assert "data-answer" in page
    assert "<script>@" not in page


def test_a_campaign_of_another_workspace_is_not_found(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    url = reverse("delivery:why", args=[campaign.pk])
    assert stranger().get(url, {"email": "customer0@example.com"}).status_code == 404


def test_a_namesake_in_another_workspace_is_not_looked_at(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    CustomerFactory(workspace__slug="elsewhere", email="namesake@example.com")
    assert "not among the customers" in ask(campaign, "namesake@example.com")


def test_a_customer_page_lists_each_mail_with_its_sentence(
    active_campaign: MakeCampaign, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    customer = CustomerFactory()
    for number in range(12):
        active_campaign(0, name=f"Campaign <{number}>")
    SendLog.objects.filter(campaign__name="Campaign <3>").update(
        status="failed", reason="refused", error="550 no"
    )
    client = member(customer.workspace)
    with django_assert_max_num_queries(10):
        page = client.get(mails(customer)).content.decode()
    assert page.count('class="mail"') == 12
    assert "No: refused for good by the mail server. 550 no" in page
    assert page.index("Campaign &lt;11&gt;") < page.index("Campaign &lt;3&gt;")


def test_a_customer_page_shows_the_newest_fifty(active_campaign: MakeCampaign) -> None:
    customer = CustomerFactory()
    row = active_campaign(0) and SendLog.objects.get()
    SendLog.objects.bulk_create(
        SendLog(
            workspace=row.workspace, campaign=row.campaign, step=step, customer_id=customer.pk,
            sender=row.sender, email=customer.email, status="sent", due_at=row.due_at,
        )
        for step in range(2, 53)
    )  # fmt: skip
    page = member(customer.workspace).get(mails(customer)).content.decode()
    assert page.count('class="mail"') == 50
    assert "The newest 50 are shown." in page


def test_mails_from_before_a_deletion_are_still_found_by_address(active_campaign: MakeCampaign) -> None:
    CustomerFactory(email="back@example.com")
    campaign = active_campaign(0)
    Customer.objects.filter(email="back@example.com").delete()
    again = CustomerFactory(email="back@example.com")
    assert campaign.name in member(again.workspace).get(mails(again)).content.decode()


def test_a_customer_without_mails_is_told_so() -> None:
    customer = CustomerFactory()
    assert "No mails so far" in member(customer.workspace).get(mails(customer)).content.decode()


def test_a_customer_of_another_workspace_is_not_found() -> None:
    assert stranger().get(mails(CustomerFactory())).status_code == 404


def test_ledger_rows_of_a_namesake_in_another_workspace_stay_there(active_campaign: MakeCampaign) -> None:
    CustomerFactory(email="namesake@example.com")
    campaign = active_campaign(0)
    namesake = CustomerFactory(workspace__slug="elsewhere", email="namesake@example.com")
    assert campaign.name not in stranger().get(mails(namesake)).content.decode()
