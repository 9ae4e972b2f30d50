"""A customer's page: what it shows, what its buttons do, and to whom."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audience import suppression
from audience.models import AuditEntry, ConsentRecord, Customer, Membership, Suppression, Workspace
from campaigns.models import Enrollment
from delivery.views import person as view
from tests.delivery.staff import member, stranger
from tests.delivery.test_life import consent, did, event, mail, on_the_way
from tests.factories import AttributeFactory, CampaignFactory, CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
MOST_QUERIES = 30


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory(time_zone="Europe/Berlin")
    return made


@pytest.fixture
def customer(workspace: Workspace) -> Customer:
    AttributeFactory(workspace=workspace, name="city", type="text")
    AttributeFactory(workspace=workspace, name="orders", type="number")
    made: Customer = CustomerFactory(
        workspace=workspace, email="ada@example.com", name="Ada", attributes={"city": "London"}
    )
    return made


@pytest.fixture
def staff(workspace: Workspace) -> Client:
    return member(workspace)


def page(client: Client, customer: Customer, **query: Any) -> Any:
    return client.get(reverse("delivery:person", args=[customer.pk]), query)


def post(client: Client, name: str, /, *args: Any, **data: Any) -> Any:
    return client.post(reverse(name, args=args), data, follow=True)


# --- What it shows -----------------------------------------------------------------------------------


def test_it_says_who_they_are_and_what_time_it_is_there(staff: Client, customer: Customer) -> None:
    Customer.objects.filter(pk=customer.pk).update(time_zone="Asia/Tokyo")
    shown = page(staff, customer)
    assert shown.context["zone_of_theirs"] == "Asia/Tokyo"
    assert shown.context["now"].utcoffset().total_seconds() == 9 * 3600
    assert shown.context["known"] == [("City", "London")] and shown.context["unknown"] == ["orders"]
    assert "Times in Europe/Berlin" in shown.text
    Customer.objects.filter(pk=customer.pk).update(time_zone="")
    assert page(staff, customer).context["zone_of_theirs"] == "Europe/Berlin"


def test_its_life_is_narrowed_and_paged(
    staff: Client, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "PAGE", 2)
    for day in range(5):
        did(customer, day, f"event_{day}")
    shown = page(staff, customer, kind="events")
    assert [entry.what for entry, _ in shown.context["entries"]] == ["event_4", "event_3"]
    older = staff.get(shown.context["older"], headers={"HX-Request": "true", "HX-Target": "life"})
    assert [entry.what for entry, _ in older.context["entries"]] == ["event_2", "event_1"]
    assert older.text.strip().startswith('<section id="life"')
    assert page(staff, customer, kind="nonsense", after="x").status_code == 200


def test_the_page_costs_the_same_however_long_the_life(staff: Client, customer: Customer) -> None:
    few = queries(staff, customer, 1)
    assert queries(staff, customer, 12) <= few + 1 < MOST_QUERIES


def queries(staff: Client, customer: Customer, number: int) -> int:
    for day in range(number):
        row = mail(customer, CampaignFactory(workspace=customer.workspace), day)
        event(row, "clicked", day, link=1, source="provider")
        did(customer, day)
        consent(customer, day)
        on_the_way(customer, day)
        AttributeFactory(workspace=customer.workspace, name=f"more_{row.pk}")
    with CaptureQueriesContext(connection) as asked:
        page(staff, customer)
    return len(asked)


def test_it_says_why_they_did_or_did_not_get_a_campaign(staff: Client, customer: Customer) -> None:
    spring = CampaignFactory(workspace=customer.workspace, name="Spring", status="active")
    CampaignFactory(workspace=customer.workspace, name="Autumn", status="active")
    CampaignFactory(workspace=customer.workspace, name="Spring draft")
    mail(customer, spring, 1, status="suppressed", reason="unsubscribe", sent_at=None)
    assert [each.name for each in page(staff, customer).context["campaigns"]] == ["Autumn", "Spring"]
    assert [each.name for each in page(staff, customer, q="spr").context["campaigns"]] == ["Spring"]
    assert "No: unsubscribed." in page(staff, customer, campaign=spring.pk).text
    url = reverse("delivery:person_why", args=[customer.pk])
    part = staff.get(url, {"campaign": spring.pk}, headers={"HX-Request": "true"}).text
    assert part.strip().startswith('<div id="asked"') and "No: unsubscribed." in part
    assert staff.get(url, {"q": "spr"}).url.endswith("?q=spr")
    elsewhere = CampaignFactory(workspace=WorkspaceFactory(slug="other"))
    assert page(staff, customer, campaign=elsewhere.pk).status_code == 404


# --- What its buttons do -------------------------------------------------------------------------------


def test_consent_is_changed_with_a_note_that_is_kept(staff: Client, customer: Customer) -> None:
    post(staff, "audience:consent", customer.pk, "email", granted="no", note="Asked on the phone")
    customer.refresh_from_db()
    record = ConsentRecord.objects.get()
    assert not customer.subscribed
    assert (record.evidence, record.source, record.actor) == (
        "Asked on the phone",
        "staff",
        Membership.objects.get().user,
    )


def test_nobody_is_opted_in_without_evidence(staff: Client, customer: Customer) -> None:
    said = post(staff, "audience:consent", customer.pk, "sms", granted="yes", note=" ").text
    customer.refresh_from_db()
    assert not customer.sms_subscribed and "Nothing was changed" in said
    post(staff, "audience:consent", customer.pk, "sms", granted="yes", note="At the till")
    customer.refresh_from_db()
    assert customer.sms_subscribed


def test_an_address_is_suppressed_and_taken_off_the_list_again(staff: Client, customer: Customer) -> None:
    post(staff, "audience:suppress", customer.pk, note="Called us")
    held = Suppression.objects.get()
    assert (held.reason, held.note) == ("manual", "Called us")
    assert "Called us" in page(staff, customer).text
    assert "changed in the meantime" in post(staff, "audience:lift", customer.pk, reason="complaint").text
    assert Suppression.objects.exists()
    post(staff, "audience:lift", customer.pk, reason="manual")
    assert not Suppression.objects.exists()
    assert "changed in the meantime" in post(staff, "audience:lift", customer.pk, reason="manual").text


def fields(customer: Customer, **changes: str) -> dict[str, str]:
    plain = {"email": customer.email, "name": customer.name, "attributes.city": "London", "tracked": "on"}
    return {**plain, **changes}


def test_fields_and_attributes_are_edited(staff: Client, customer: Customer) -> None:
    given = fields(customer, name="Ada L.", **{"attributes.orders": "3", "attributes.city": ""})
    post(staff, "audience:edit", customer.pk, **given)
    customer.refresh_from_db()
    assert (customer.name, customer.attributes) == ("Ada L.", {"orders": 3})
    entry = AuditEntry.objects.get(thing="audience.customer")
    assert entry.after == {"fields": "name, city, orders"} and "ada@" not in entry.name


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_saved(staff: Client, customer: Customer) -> None:
    given = fields(customer, name="Eve", time_zone="Mars", **{"attributes.orders": "many"})
    shown = post(staff, "audience:edit", customer.pk, **given)
    assert shown.status_code == 422
    assert shown.context["errors"].keys() == {"time_zone"}
    given = fields(customer, name="Eve", **{"attributes.orders": "many"})
    shown = post(staff, "audience:edit", customer.pk, **given)
    assert shown.context["errors"].keys() == {"attributes.orders"} and 'value="Eve"' in shown.text
    CustomerFactory(workspace=customer.workspace, email="eve@example.com")
    shown = post(staff, "audience:edit", customer.pk, **fields(customer, email="eve@example.com"))
    assert shown.context["errors"].keys() == {"email"}
    customer.refresh_from_db()
    assert (customer.name, customer.email) == ("Ada", "ada@example.com")
    assert not AuditEntry.objects.filter(thing="audience.customer").exists()


def test_a_way_through_a_flow_is_steered(staff: Client, customer: Customer) -> None:
    place = on_the_way(customer, 1)
    place.campaign.status = "active"
    place.campaign.save(update_fields=["status"])
    assert "Waits at" in page(staff, customer).text
    assert "Choose what to do" in post(staff, "delivery:person_steer", customer.pk, place.pk, act="x").text
    post(staff, "delivery:person_steer", customer.pk, place.pk, act="remove", why="Asked us")
    place.refresh_from_db()
    assert (place.state, place.reason) == (Enrollment.State.LEFT, "removed")
    assert page(staff, customer).context["places"] == []
    entry = AuditEntry.objects.get(action="taken out of a flow")
    assert (entry.name, entry.before["state"]) == (f"Customer {customer.pk}", "waiting")
    assert entry.after == {"step": place.step, "state": "left"}


# --- To whom ---------------------------------------------------------------------------------------------

ACTS = ("audience:edit", "audience:suppress", "audience:lift")


def test_an_analyst_reads_and_changes_nothing(workspace: Workspace, customer: Customer) -> None:
    suppression.suppress(workspace, customer.email, Suppression.Reason.MANUAL)
    place = on_the_way(customer, 1)
    analyst = member(workspace, Membership.Role.ANALYST)
    shown = page(analyst, customer)
    assert shown.status_code == 200
    for word in ("Opt out", "Lift…", "Erase…", "Export all", "Change…"):
        assert word not in shown.text
    for name in ACTS:
        assert post(analyst, name, customer.pk).status_code == 403
    assert post(analyst, "audience:consent", customer.pk, "email").status_code == 403
    assert post(analyst, "delivery:person_steer", customer.pk, place.pk, act="remove").status_code == 403


def test_an_editor_edits_and_steers_nobody(workspace: Workspace, customer: Customer) -> None:
    place = on_the_way(customer, 1)
    editor = member(workspace, Membership.Role.EDITOR)
    post(editor, "audience:edit", customer.pk, **fields(customer, name="Edited"))
    customer.refresh_from_db()
    assert customer.name == "Edited"
    assert post(editor, "delivery:person_steer", customer.pk, place.pk, act="remove").status_code == 403


def test_for_somebody_of_another_workspace_there_is_no_such_customer(customer: Customer) -> None:
    client, place = stranger(), on_the_way(customer, 1)
    assert page(client, customer).status_code == 404
    for name in ACTS:
        assert post(client, name, customer.pk).status_code == 404
    assert post(client, "delivery:person_steer", customer.pk, place.pk, act="remove").status_code == 404


def test_nobody_elses_place_in_a_flow_is_steered_through_a_customer(
    staff: Client, customer: Customer
) -> None:
    place = on_the_way(CustomerFactory(workspace=customer.workspace), 1)
    assert post(staff, "delivery:person_steer", customer.pk, place.pk, act="remove").status_code == 404
