"""The page on which people settle unknown mails: what it shows, asks and does, and for whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries, Settings

from audience.models import Customer, Membership
from campaigns import lifecycle
from campaigns.models import Campaign, CampaignTransition
from delivery.finish import finish_done_campaigns
from delivery.models import SendLog
from delivery.views import unknown as page_of_unknown
from tests.delivery.doubt import in_doubt
from tests.delivery.staff import member, stranger

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db
CHOICES = {"send_again": ("queued", "resent"), "count_as_sent": ("sent", "counted")}


@pytest.fixture
def doubtful(active_campaign: MakeCampaign) -> Campaign:
    """A campaign of four mails, three of them unknown."""
    campaign = active_campaign(4)
    in_doubt(campaign, 3)
    return campaign


def url(campaign: Campaign) -> str:
    return reverse("delivery:unknown", args=[campaign.pk])


def get(campaign: Campaign, client: Client | None = None, **query: Any) -> str:
    return (client or member(campaign.workspace)).get(url(campaign), query).text


def post(campaign: Campaign, client: Client | None = None, **data: Any) -> str:
    """The page that a person sees afterwards."""
    return (client or member(campaign.workspace)).post(url(campaign), data, follow=True).text


def states() -> list[tuple[str, str]]:
    return list(SendLog.objects.order_by("pk").values_list("status", "reason"))


def fields(html: str) -> dict[str, Any]:
    """What the form of a confirmation page would send."""
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html):
        found.setdefault(name, []).append(value)
    del found["csrfmiddlewaretoken"]
    return found


# --- What it shows ----------------------------------------------------------------------------


def test_each_unknown_mail_is_listed_with_what_is_known_about_it(doubtful: Campaign) -> None:
    SendLog.objects.filter(status="unknown").update(error="timed out <1>")
    html = get(doubtful)
    assert "3 mails may or may not have been accepted" in html
    assert html.count('name="row"') == 3
    assert "The worker stopped during hand-over: timed out &lt;1&gt;" in html
    row = SendLog.objects.order_by("pk").first()
    assert f"&lt;{row.pk}.{doubtful.pk}." in html
    assert f"{reverse('delivery:why', args=[doubtful.pk])}?email={row.email.replace('@', '%40')}" in html


def test_a_campaign_without_unknown_mails_says_so(active_campaign: MakeCampaign) -> None:
    html = get(active_campaign(1))
    assert "Nothing is unknown" in html
    assert 'name="choice"' not in html


def test_one_mail_that_another_page_speaks_of_is_shown_alone(doubtful: Campaign) -> None:
    second = SendLog.objects.order_by("pk")[1]
    html = get(doubtful, row=second.pk)
    assert html.count('name="row"') == 1
    assert second.email in html
    assert "checked" in html
    SendLog.objects.filter(pk=second.pk).update(status="sent")
    assert "This mail is settled" in get(doubtful, row=second.pk)


@pytest.mark.parametrize("row", ["x", "-1", "9" * 30, "", "1;--"])
def test_a_row_that_makes_no_sense_is_none(doubtful: Campaign, row: str) -> None:
    assert "This mail is settled" in get(doubtful, row=row)


def test_a_long_list_comes_in_pages_and_few_queries(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    campaign = active_campaign(25)
    in_doubt(campaign, 25)
    monkeypatch.setattr(page_of_unknown, "PER_PAGE", 20)
    client = member(campaign.workspace)
    with django_assert_max_num_queries(10):
        first = get(campaign, client)
    assert first.count('name="row"') == 20
    assert "25 mails may" in first
    assert get(campaign, client, page=2).count('name="row"') == 5
    for odd in ("99", "x"):
        assert 'name="row"' in get(campaign, client, page=odd)


# --- What it asks and does --------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("scope", ["one", "selection", "all"])
def test_a_choice_is_confirmed_with_its_number_and_its_risk_first(
    doubtful: Campaign, choice: str, scope: str
) -> None:
    ids = list(SendLog.objects.order_by("pk").values_list("pk", flat=True))
    chosen = {"one": {"row": ids[:1]}, "selection": {"row": ids[:2]}, "all": {"scope": "all"}}[scope]
    number = {"one": 1, "selection": 2, "all": 3}[scope]
    before = states()
    asked = post(doubtful, choice=choice, **chosen)
    assert states() == before
    assert f"{number} mail{'s' if number > 1 else ''} " in asked
    risk = {"send_again": "It may arrive twice:", "count_as_sent": "It may never arrive:"}[choice]
    assert risk in asked
    post(doubtful, **fields(asked))
    assert states() == [CHOICES[choice]] * number + before[number:]


def test_a_double_click_on_the_confirmation_is_harmless(doubtful: Campaign) -> None:
    sent = fields(post(doubtful, choice="send_again", scope="all"))
    assert "3 mails queued once more." in post(doubtful, **sent)
    before = states()
    assert "Nothing was changed" in post(doubtful, **sent)
    assert states() == before
    assert CampaignTransition.objects.filter(action="note").count() == 1


def test_more_mails_than_were_confirmed_are_asked_about_again(doubtful: Campaign) -> None:
    sent = fields(post(doubtful, choice="count_as_sent", scope="all"))
    in_doubt(doubtful, 1)
    again = post(doubtful, **sent)
    assert "There are 4 now" in again
    assert {status for status, _ in states()} == {"unknown"}
    post(doubtful, **fields(again))
    assert {status for status, _ in states()} == {"sent"}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"choice": "send_again"},
        {"choice": "delete", "scope": "all"},
        {"choice": "send_again", "row": "x"},
        {"choice": "count_as_sent", "row": "9" * 40, "confirmed": "9" * 40},
    ],
)
def test_what_makes_no_sense_changes_nothing_and_says_so(doubtful: Campaign, data: dict[str, Any]) -> None:
    before = states()
    assert "Nothing was changed" in post(doubtful, **data)
    assert states() == before


def test_a_row_of_another_campaign_is_not_settled_here(
    doubtful: Campaign, active_campaign: MakeCampaign
) -> None:
    other = active_campaign(0)
    [row] = in_doubt(other, 1)
    assert "Nothing was changed" in post(doubtful, choice="send_again", row=row.pk, confirmed="1")
    row.refresh_from_db()
    assert row.status == "unknown"


def test_the_history_of_campaign_and_mail_names_the_person(doubtful: Campaign) -> None:
    client = member(doubtful.workspace)
    name = Membership.objects.get().user.username
    row = SendLog.objects.order_by("pk").first()
    post(doubtful, client, choice="count_as_sent", row=row.pk, confirmed="1")
    campaign_page = client.get(reverse("admin:campaigns_campaign_change", args=[doubtful.pk])).text
    assert f'1 unknown mail is counted as sent. <span class="muted">by {name}' in campaign_page
    mail = client.get(reverse("delivery:why", args=[doubtful.pk]), {"email": row.email}).text
    assert f"{name} chose to count it as sent" in mail
    assert f'Counted as sent by somebody&#x27;s choice <span class="muted">by {name}' in mail
    assert "Handed over" not in mail


def test_a_mail_that_is_sent_again_says_so_while_it_waits(doubtful: Campaign) -> None:
    client = member(doubtful.workspace)
    row = SendLog.objects.order_by("pk").first()
    post(doubtful, client, choice="send_again", row=row.pk, confirmed="1")
    mail = client.get(reverse("delivery:why", args=[doubtful.pk]), {"email": row.email}).text
    assert "chose to send it again, so it may arrive twice" in mail


# --- Campaigns in each state ------------------------------------------------------------------


def test_a_cancelled_campaign_offers_only_to_count(doubtful: Campaign) -> None:
    lifecycle.cancel(doubtful)
    html = get(doubtful)
    assert 'value="send_again"' not in html
    assert "This campaign was cancelled" in html
    assert "Nothing is sent again." in post(doubtful, choice="send_again", scope="all")
    assert "It may never arrive:" in post(doubtful, choice="count_as_sent", scope="all")


def test_an_ended_campaign_says_that_it_becomes_active_again(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    in_doubt(campaign, 1)
    finish_done_campaigns()
    asked = post(campaign, choice="send_again", scope="all")
    assert "becomes active again for these mails, and for nobody else" in asked
    post(campaign, **fields(asked))
    campaign.refresh_from_db()
    assert campaign.status == "active"


def test_a_campaign_that_is_still_ending_asks_for_patience(doubtful: Campaign) -> None:
    lifecycle.complete(doubtful)
    assert "Try again in a minute" in get(doubtful)
    assert "Try again in a minute" in post(doubtful, choice="send_again", scope="all", confirmed="3")
    assert states()[0] == ("unknown", "lost")


def test_it_says_when_nothing_would_leave(doubtful: Campaign, settings: Settings) -> None:
    lifecycle.pause(doubtful)
    assert "when somebody resumes it" in post(doubtful, choice="send_again", scope="all")
    settings.ENABLE_EMAIL_SCHEDULER = False
    assert "Sending is switched off" in post(doubtful, choice="send_again", scope="all")


# --- Who may, and how people get here ---------------------------------------------------------


@pytest.mark.parametrize("role", [Membership.Role.EDITOR, Membership.Role.ANALYST])
def test_who_may_not_send_may_only_look(doubtful: Campaign, role: Membership.Role) -> None:
    client = member(doubtful.workspace, role)
    html = get(doubtful, client)
    assert "Owners and managers choose" in html
    assert 'name="choice"' not in html
    before = states()
    response = client.post(url(doubtful), {"choice": "send_again", "scope": "all", "confirmed": "3"})
    assert response.status_code == 403
    assert states() == before


def test_a_manager_may_settle(doubtful: Campaign) -> None:
    client = member(doubtful.workspace, Membership.Role.MANAGER)
    post(doubtful, client, choice="count_as_sent", scope="all", confirmed="3")
    assert states()[0] == ("sent", "counted")


def test_another_workspaces_campaign_is_not_found(doubtful: Campaign) -> None:
    assert stranger().get(url(doubtful)).status_code == 404
    assert stranger().post(url(doubtful), {"choice": "send_again", "scope": "all"}).status_code == 404
    assert states()[0] == ("unknown", "lost")


def test_ledger_campaign_and_customer_lead_here(doubtful: Campaign) -> None:
    client = member(doubtful.workspace)
    row = SendLog.objects.order_by("pk").first()
    one = escape(f"{url(doubtful)}?row={row.pk}")
    ledger = client.get(reverse("admin:delivery_sendlog_changelist"), {"status__exact": "unknown"}).text
    assert ledger.count("?row=") == 3
    assert one in ledger
    for name, pk in (("admin:delivery_sendlog_change", row.pk), ("delivery:customer_mails", row.customer_id)):
        assert one in client.get(reverse(name, args=[pk])).text
    assert url(doubtful) in client.get(reverse("delivery:campaign_progress", args=[doubtful.pk])).text
    assert one in client.get(reverse("delivery:why", args=[doubtful.pk]), {"email": row.email}).text


def test_a_customer_without_unknown_mails_reads_nothing_of_them(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    page = reverse("delivery:customer_mails", args=[Customer.objects.get().pk])
    assert "unknown" not in member(campaign.workspace).get(page).text.lower()
