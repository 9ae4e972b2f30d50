"""Customers, attributes and consent in the admin."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience import suppression
from audience.models import Attribute, ConsentRecord, Customer, Membership, Suppression, Workspace
from tests.factories import (
    AttributeFactory,
    CustomerFactory,
    MembershipFactory,
    SegmentFactory,
    WorkspaceFactory,
)

ADD = "admin:audience_customer_add"


@pytest.fixture
def membership(db: None) -> Membership:
    found: Membership = MembershipFactory(role=Membership.Role.EDITOR)
    return found


@pytest.fixture
def staff(client: Client, membership: Membership) -> Client:
    client.force_login(membership.user)
    return client


def change(customer: Customer) -> str:
    return reverse("admin:audience_customer_change", args=[customer.pk])


def form(customer: Customer, **changes: Any) -> dict[str, Any]:
    names = ("email", "name", "external_id", "phone", "time_zone", "language")
    flags = {name: "on" for name in ("subscribed", "sms_subscribed") if getattr(customer, name)}
    return {name: getattr(customer, name) for name in names} | flags | changes


def errors(page: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = page.context["adminform"].form.errors
    return found


def test_an_address_is_normalised_and_a_new_customer_is_not_opted_in(
    staff: Client, membership: Membership
) -> None:
    assert staff.post(reverse(ADD), {"email": " Ada@BÜCHER.example "}).status_code == 302
    customer = Customer.objects.get()
    assert (customer.email, customer.subscribed) == ("ada@xn--bcher-kva.example", False)
    assert customer.workspace == membership.workspace


def test_tracking_can_be_switched_off_for_one_person(staff: Client) -> None:
    customer = CustomerFactory()
    assert customer.tracked
    for tracked in (False, True):
        staff.post(change(customer), form(customer, **({"tracked": "on"} if tracked else {})))
        customer.refresh_from_db()
        assert customer.tracked is tracked


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "ada.example.com", "has no @"),
        ("email", "known@example.com", "is a customer already"),
        ("time_zone", "Mars/Olympus", "not a time zone"),
        ("language", "English please", "not a language"),
    ],
)
def test_what_is_wrong_with_a_customer_is_said_at_its_field(
    staff: Client, field: str, value: str, message: str
) -> None:
    CustomerFactory(email="known@example.com")
    page = staff.post(reverse(ADD), {"email": "ada@example.com", field: value})
    assert message in str(errors(page)[field])
    assert Customer.objects.count() == 1


def test_attributes_are_a_form_of_their_types(staff: Client) -> None:
    for name, type_ in (("orders", "number"), ("since", "date"), ("vip", "boolean"), ("city", "text")):
        AttributeFactory(name=name, type=type_)
    customer = CustomerFactory(attributes={"orders": 3, "city": "Wien", "left_over": "kept"})
    page = staff.get(change(customer)).text
    assert 'name="attribute_orders"' in page and 'value="3"' in page
    given = {"attribute_orders": "4.5", "attribute_since": "1998-01-31", "attribute_vip": "true"}
    assert staff.post(change(customer), form(customer, **given, attribute_city="")).status_code == 302
    customer.refresh_from_db()
    assert customer.attributes == {"orders": 4.5, "since": "1998-01-31", "vip": True, "left_over": "kept"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("attribute_orders", "three"), ("attribute_since", "31.1.1998"), ("attribute_vip", "?")],
)
def test_an_attribute_that_does_not_fit_its_type_is_refused(staff: Client, name: str, value: str) -> None:
    for attribute, type_ in (("orders", "number"), ("since", "date"), ("vip", "boolean")):
        AttributeFactory(name=attribute, type=type_)
    customer = CustomerFactory(attributes={"orders": 3})
    page = staff.post(change(customer), form(customer, **{"attribute_orders": "3", name: value}))
    assert name in errors(page)
    customer.refresh_from_db()
    assert customer.attributes == {"orders": 3}


def test_opting_in_needs_evidence_and_is_recorded(staff: Client, membership: Membership) -> None:
    customer = CustomerFactory(subscribed=False)
    page = staff.post(change(customer), form(customer, subscribed="on"))
    assert "evidence" in errors(page)
    assert not ConsentRecord.objects.exists()

    said = "At the counter, 3 May"
    assert staff.post(change(customer), form(customer, subscribed="on", evidence=said)).status_code == 302
    customer.refresh_from_db()
    record = ConsentRecord.objects.get()
    assert (customer.subscribed, record.granted, record.evidence) == (True, True, said)
    assert (record.source, record.actor) == (ConsentRecord.Source.STAFF, membership.user)
    assert said in staff.get(change(customer)).text


def test_opting_out_suppresses_the_address(staff: Client) -> None:
    customer = CustomerFactory(subscribed=True)
    data = form(customer)
    del data["subscribed"]
    assert staff.post(change(customer), data).status_code == 302
    assert Suppression.objects.get().email == customer.email
    assert "No mail goes to" in staff.get(change(customer)).text


def test_a_change_of_the_name_leaves_consent_alone(staff: Client) -> None:
    customer = CustomerFactory(subscribed=True)
    staff.post(change(customer), form(customer, name="Ada"))
    customer.refresh_from_db()
    assert (customer.name, customer.subscribed) == ("Ada", True)
    assert not ConsentRecord.objects.exists()


def test_an_analyst_reads_the_attributes_too(staff: Client, membership: Membership) -> None:
    Membership.objects.update(role=Membership.Role.ANALYST)
    AttributeFactory(name="orders")
    page = staff.get(change(CustomerFactory(attributes={"orders": 1234}))).text
    assert "1234" in page
    assert 'name="attribute_orders"' not in page


def test_a_suppression_outlives_the_customer(staff: Client) -> None:
    customer = CustomerFactory()
    suppression.suppress(customer.workspace, customer.email, Suppression.Reason.HARD_BOUNCE)
    url = reverse("admin:audience_customer_delete", args=[customer.pk])
    assert staff.post(url, {"post": "yes"}).status_code == 302
    assert not Customer.objects.exists()
    assert Suppression.objects.get().email == customer.email


def test_an_attribute_that_a_segment_asks_for_stays(staff: Client) -> None:
    used, unused = AttributeFactory(name="orders"), AttributeFactory(name="city", type="text")
    rule = {"field": "attributes.orders", "operator": "is_set"}
    SegmentFactory(name="Buyers", criteria={"all": [{"any": [rule]}]})
    for attribute in (used, unused):
        staff.post(reverse("admin:audience_attribute_delete", args=[attribute.pk]), {"post": "yes"})
    assert list(Attribute.objects.all()) == [used]


@pytest.mark.parametrize(
    ("name", "ok"), [("plan", True), ("Plan", False), ("subscribed", False), ("orders", False)]
)
def test_an_attribute_has_a_name_of_its_own(staff: Client, name: str, ok: bool) -> None:
    AttributeFactory(name="orders")
    response = staff.post(reverse("admin:audience_attribute_add"), {"name": name, "type": "text"})
    assert response.status_code == (302 if ok else 200)
    assert Attribute.objects.count() == (2 if ok else 1)


# --- Who sees one workspace never reads the word --------------------------------------------------


PAGES = [
    "admin:index",
    ADD,
    "admin:audience_customer_changelist",
    "audience:customers",
    "audience:settings",
    "admin:audience_segment_add",
    "admin:audience_suppression_add",
    "admin:audience_customerimport_add",
    "admin:campaigns_campaign_add",
    "campaigns:templates",
    "campaigns:template_new",
    "admin:campaigns_sender_add",
    "admin:delivery_sendlog_changelist",
]


def visible_text(page: str) -> str:
    without_code = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", without_code).lower()


@pytest.mark.parametrize("name", PAGES)
def test_the_word_workspace_is_for_those_who_see_several(
    staff: Client, membership: Membership, name: str
) -> None:
    url = reverse(name)
    shown = visible_text(staff.get(url, follow=True).text)
    # A merge field's name, and Google's.
    assert "workspace" not in shown.replace("workspace.", "").replace("google workspace", "")
    MembershipFactory(user=membership.user, workspace=WorkspaceFactory(slug="second"))
    several = Client()
    several.force_login(membership.user)
    assert "workspace" in visible_text(several.get(url, follow=True).text)


def test_times_are_shown_by_the_workspaces_clock_which_is_named(staff: Client) -> None:
    Workspace.objects.update(time_zone="Asia/Tokyo")
    CustomerFactory()
    assert " JST" in staff.get(reverse("admin:audience_customer_changelist")).text


def test_the_next_request_does_not_keep_the_zone_of_the_last(staff: Client) -> None:
    Workspace.objects.update(time_zone="Asia/Tokyo")
    CustomerFactory()
    staff.get(reverse("admin:audience_customer_changelist"))
    stranger = MembershipFactory(workspace=WorkspaceFactory(slug="second"))
    staff.force_login(stranger.user)
    CustomerFactory(workspace=stranger.workspace)
    assert " UTC" in staff.get(reverse("admin:audience_customer_changelist")).text
