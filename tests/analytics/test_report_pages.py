"""The pages of the reports: numbers with people behind them, one switch, files of the same rows."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from analytics import roll_up, totals
from analytics.tables import Cell, Column, Table
from analytics.totals import Scope
from campaigns import lifecycle
from campaigns.models import Campaign
from tests.analytics.history import event, mail
from tests.analytics.sample import Sample
from tests.delivery.staff import customer_of_the_site, member, stranger
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
OF_A_CAMPAIGN = ("campaign", "delivery", "links", "panel")
OF_ALL = ("overview", "compare", "audience", "complaints")


@pytest.fixture
def campaign() -> Campaign:
    sample = Sample(people=60)
    sample.campaign("Before", 9)
    made = sample.campaign("One", 3, charm=1.8)
    roll_up.run()
    return made


@pytest.fixture
def staff(campaign: Campaign) -> Client:
    return member(campaign.workspace)


def url(view: str, *args: Any, query: str = "") -> str:
    return reverse(f"analytics:{view}", args=args) + query


def rows(response: Any) -> list[list[str]]:
    text = b"".join(response).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_every_page_opens(staff: Client, campaign: Campaign) -> None:
    for view in OF_A_CAMPAIGN:
        assert staff.get(url(view, campaign.pk)).status_code == 200, view
    for view in OF_ALL:
        assert staff.get(url(view)).status_code == 200, view


def test_every_page_opens_on_a_new_site() -> None:
    empty: Campaign = CampaignFactory(status=Campaign.Status.ACTIVE)
    staff = member(empty.workspace)
    for view in OF_A_CAMPAIGN:
        assert staff.get(url(view, empty.pk)).status_code == 200, view
    for view in OF_ALL:
        assert staff.get(url(view)).status_code == 200, view


def test_the_summary_says_what_the_totals_say(staff: Client, campaign: Campaign) -> None:
    found = totals.of(Scope([campaign.pk]))
    page = staff.get(url("campaign", campaign.pk))
    assert [line["value"] for line in page.context["funnel"]] == [
        found.audience, found.sent, found.delivered, found.opened, found.clicked,
    ]  # fmt: skip


def test_what_was_done_to_the_numbers_stands_beside_them(staff: Client, campaign: Campaign) -> None:
    assert "made up" not in staff.get(url("campaign", campaign.pk)).text
    lifecycle.note(campaign, None, "The reactions are made up.")
    for view in OF_A_CAMPAIGN[:3]:
        assert "The reactions are made up." in staff.get(url(view, campaign.pk)).text


def test_people_are_the_default_and_the_switch_is_kept(staff: Client, campaign: Campaign) -> None:
    people, everything = (totals.of(Scope([campaign.pk], people=who)) for who in (True, False))
    assert people.opened < everything.opened
    assert staff.get(url("campaign", campaign.pk)).context["totals"].opened == people.opened
    page = staff.get(url("campaign", campaign.pk, query="?who=all"))
    assert page.context["totals"].opened == everything.opened
    assert all("who=all" in tab["url"] for tab in page.context["tabs"])
    assert all("who=all" in tile["cell"].url for tile in page.context["tiles"] if tile["cell"].url)


def test_every_number_of_the_page_leads_to_as_many_people(staff: Client, campaign: Campaign) -> None:
    page = staff.get(url("delivery", campaign.pk))
    cells = [
        cell
        for key in ("providers", "senders", "failures")
        for row in page.context["tables"][key]["table"].rows
        for cell in row
        if cell.url
    ]
    assert len(cells) > 20
    for cell in cells[::3]:
        assert len(rows(staff.get(f"{cell.url}&csv=people"))) == cell.value + 1, cell.url


def test_a_list_goes_on_page_by_page(
    staff: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.views.people.PAGE", 10)
    seen, address = [], url("people", campaign.pk, query="?number=sent")
    while address:
        page = staff.get(address)
        seen += [line.email for line in page.context["lines"]]
        address = page.context["next"] and url("people", campaign.pk) + page.context["next"]
    assert len(seen) == len(set(seen)) == totals.of(Scope([campaign.pk])).sent


def test_the_file_holds_the_rows_of_the_page(staff: Client, campaign: Campaign) -> None:
    page = staff.get(url("delivery", campaign.pk))
    shown = page.context["tables"]["providers"]
    file = rows(staff.get(url("delivery", campaign.pk) + shown["csv"]))
    assert len(file) == len(shown["table"].rows) + 1
    assert [line[0] for line in file[1:]] == [row[0].value for row in shown["table"].rows]
    assert [int(line[1]) for line in file[1:]] == [row[1].value for row in shown["table"].rows]


def test_a_file_cannot_hold_a_formula() -> None:
    made: Campaign = CampaignFactory()
    row = mail(made, customer=CustomerFactory(email="=cmd@x.example"), status="failed", error="=1+1")
    assert row.pk
    roll_up.run()
    found = rows(member(made.workspace).get(url("people", made.pk, query="?number=failed&csv=people")))
    assert found[1][0] == "'=cmd@x.example"
    assert found[1][-1] == "'=1+1"


def test_no_table_holds_a_formula_in_its_file() -> None:
    columns = [Column("=A", rated=True), Column("B", "text")]
    table = Table("names", "Names", columns, [[Cell("=1+1", 0.5), Cell("@sum")]])
    assert list(table.lines()) == [["'=A", "'=A rate", "B"], ["'=1+1", 0.5, "'@sum"]]


@pytest.mark.parametrize(
    "query", ["?number=nonsense", "", "?number=", "?number=sent&csv=x&step=abc", "?number=sent&link=-1"]
)
def test_an_address_that_makes_no_sense_breaks_nothing(staff: Client, campaign: Campaign, query: str) -> None:
    status = staff.get(url("people", campaign.pk, query=query)).status_code
    assert status == (200 if "number=sent" in query else 404)


def test_a_table_that_there_is_not_is_not_found(staff: Client, campaign: Campaign) -> None:
    assert staff.get(url("campaign", campaign.pk, query="?csv=nonsense")).status_code == 404


def test_a_flow_shows_its_steps(staff: Client, campaign: Campaign) -> None:
    event(mail(campaign, step=2), "opened", verdict="person")
    roll_up.run()
    page = staff.get(url("campaign", campaign.pk, query="?step=2"))
    assert [step["label"] for step in page.context["steps"]] == ["All steps", "Step 1", "Step 2"]
    assert page.context["totals"].sent == 1


def test_two_to_five_campaigns_are_compared(staff: Client, campaign: Campaign) -> None:
    ids = Campaign.objects.values_list("pk", flat=True)
    query = "?" + "&".join(f"campaign={pk}" for pk in ids)
    page = staff.get(url("compare", query=query + "&who=all"))
    table = page.context["tables"]["comparison"]["table"]
    assert [column.heading for column in table.columns][1:] == ["Before", "One"]
    assert page.context["switch"][0]["url"].count("campaign=") == 2
    one = staff.get(url("compare", query=f"?campaign={campaign.pk}"))
    assert "Choose 2 to 5 campaigns" in one.text


def test_the_mail_is_shown_where_nothing_runs(staff: Client, campaign: Campaign) -> None:
    page = staff.get(url("mail", campaign.pk))
    assert "sandbox;" in page["Content-Security-Policy"]
    assert "Ada Lovelace, new at" in page.text


def test_the_campaigns_page_leads_to_its_report(staff: Client, campaign: Campaign) -> None:
    page = staff.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).text
    assert url("panel", campaign.pk) in page
    assert url("campaign", campaign.pk) in staff.get(url("panel", campaign.pk)).text
    assert url("campaign", campaign.pk) in staff.get(reverse("site:campaign", args=[campaign.pk])).text


def test_who_complained_is_told_by_domain(staff: Client, campaign: Campaign) -> None:
    sender = campaign.senders.first()
    row = mail(campaign, sender=sender)
    found = event(row, "complained")
    found.at = found.received_at
    found.save(update_fields=["at"])
    roll_up.run()
    domain = sender.from_email.partition("@")[2]
    assert row.email in staff.get(url("complainers", query=f"?domain={domain}")).text
    assert staff.get(url("complainers", query="?domain=elsewhere.example")).status_code == 404


def test_another_workspace_is_asked_for_in_vain(campaign: Campaign) -> None:
    other = stranger()
    sender = SenderFactory(workspace=campaign.workspace, from_email="x@foreign.example")
    for view in (*OF_A_CAMPAIGN, "people", "mail"):
        assert other.get(url(view, campaign.pk, query="?number=sent")).status_code == 404, view
    for query in (f"?campaign={campaign.pk}", f"?workspace={campaign.workspace_id}", "?who=all"):
        for view in OF_ALL:
            assert "Needle" not in other.get(url(view, query=query)).text
            assert ">One<" not in other.get(url(view, query=query)).text
    assert other.get(url("complainers", query=f"?domain={sender.from_email[2:]}")).status_code == 404


def test_who_is_no_staff_is_asked_to_log_in(campaign: Campaign) -> None:
    no_staff = customer_of_the_site()
    for view in OF_ALL:
        assert no_staff.get(url(view)).status_code == 302
        assert Client().get(url(view)).status_code == 302


def test_who_sees_several_workspaces_can_choose(campaign: Campaign, admin_client: Client) -> None:
    other = CampaignFactory(workspace=WorkspaceFactory(slug="other"), status="active", name="Elsewhere")
    assert "Elsewhere" in admin_client.get(url("overview")).text
    chosen = admin_client.get(url("overview", query=f"?workspace={campaign.workspace_id}"))
    assert "Elsewhere" not in chosen.text
    assert str(other.workspace.name) in [choice["label"] for choice in chosen.context["workspaces"]]


def test_pages_ask_little_however_much_there_is(
    staff: Client, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    for view in ("campaign", "delivery", "links"):
        with django_assert_max_num_queries(60):
            staff.get(url(view, campaign.pk))
