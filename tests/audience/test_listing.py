"""The list of customers: narrowed, walked through, exported; and its page."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audience import listing
from audience.models import AuditEntry, Customer, Membership, Workspace
from audience.views import customers as view
from tests.delivery.staff import customer_of_the_site, member, stranger, superuser
from tests.factories import (
    AttributeFactory,
    CustomerFactory,
    MembershipFactory,
    SegmentFactory,
    SuppressionFactory,
    UserFactory,
    WorkspaceFactory,
)

pytestmark = pytest.mark.django_db
LIST, EXPORT = "/customers/", "/customers/export/"


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


@pytest.fixture
def staff(workspace: Workspace) -> Client:
    return member(workspace)


def shown(client: Client, **query: Any) -> list[str]:
    lines = client.get(LIST, query).context["lines"]
    return [line["customer"].email.partition("@")[0] for line in lines]


def exported(client: Client, **query: Any) -> list[dict[str, str]]:
    text = b"".join(client.get(EXPORT, query)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def people(workspace: Workspace) -> None:
    CustomerFactory(workspace=workspace, email="ada@example.com", name="Ada")
    CustomerFactory(workspace=workspace, email="bob@example.com", subscribed=False)
    CustomerFactory(workspace=workspace, email="eve@example.com", name="Eve")
    SuppressionFactory(workspace=workspace, email="eve@example.com")


def test_an_empty_list_leads_to_the_import(staff: Client) -> None:
    page = staff.get(LIST).text
    assert "No customers yet" in page and reverse("admin:audience_customerimport_add") in page
    assert "No customer is like that" in staff.get(LIST, {"q": "x"}).text


def test_the_list_is_narrowed_by_consent_suppression_segment_and_words(
    staff: Client, workspace: Workspace
) -> None:
    people(workspace)
    segment = SegmentFactory(workspace=workspace)
    assert shown(staff) == ["eve", "bob", "ada"]
    assert shown(staff, who="in") == ["eve", "ada"]
    assert shown(staff, who="out") == ["bob"]
    assert shown(staff, who="suppressed") == ["eve"]
    assert shown(staff, segment=segment.pk) == ["eve", "ada"]
    assert shown(staff, segment=segment.pk, who="suppressed", q="ev") == ["eve"]
    assert shown(staff, segment=segment.pk, q="bob") == []
    assert shown(staff, who="nonsense", segment="x", before="x", workspace="x") == ["eve", "bob", "ada"]


def test_pages_follow_each_other_by_id(
    staff: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "PAGE", 2)
    made = [CustomerFactory(workspace=workspace, email=f"{name}@example.com") for name in "abcde"]
    assert shown(staff) == ["e", "d"]
    assert shown(staff, before=made[3].pk) == ["c", "b"]
    last = staff.get(LIST, {"before": made[1].pk})
    assert len(last.context["lines"]) == 1 and not last.context["older"]
    assert "Nobody is older" in staff.get(LIST, {"before": made[0].pk}).text
    assert "OFFSET" not in sql(staff, before=made[3].pk, q="a")


def sql(client: Client, **query: Any) -> str:
    with CaptureQueriesContext(connection) as asked:
        client.get(LIST, query)
    return "\n".join(query["sql"] for query in asked)


@pytest.mark.parametrize("query", [{}, {"q": "customer"}, {"who": "suppressed"}])
def test_a_full_page_asks_as_often_as_a_short_one(
    staff: Client, workspace: Workspace, query: dict[str, str]
) -> None:
    people(workspace)
    CustomerFactory(workspace=workspace)
    few = sql(staff, **query).count("\n")
    for customer in CustomerFactory.create_batch(40, workspace=workspace):
        SuppressionFactory(workspace=workspace, email=customer.email)
    assert sql(staff, **query).count("\n") <= few < 20


def test_a_segment_that_cannot_be_asked_any_more_is_said(staff: Client, workspace: Workspace) -> None:
    rule = {"field": "attributes.gone", "operator": "equals", "value": "x"}
    segment = SegmentFactory(workspace=workspace, criteria={"all": [rule]})
    people(workspace)
    assert "cannot be asked any more" in staff.get(LIST, {"segment": segment.pk}).text
    assert staff.get(EXPORT, {"segment": segment.pk}).status_code == 302


def test_what_is_narrowed_is_exported_safe_from_formulas(
    staff: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PORTION", 2)
    AttributeFactory(workspace=workspace, name="city", type="text")
    AttributeFactory(workspace=workspace, name="vip", type="boolean")
    people(workspace)
    CustomerFactory(
        workspace=workspace,
        email="mal@example.com",
        name="=cmd|' /C calc'!A0",
        attributes={"city": "@x", "vip": True},
    )
    rows = exported(staff)
    assert [row["email"] for row in rows] == [f"{name}@example.com" for name in ("ada", "bob", "eve", "mal")]
    last = rows[-1]
    assert (last["name"], last["attributes.city"], last["attributes.vip"]) == (
        "'=cmd|' /C calc'!A0",
        "'@x",
        "yes",
    )
    assert (rows[1]["subscribed"], rows[1]["attributes.vip"]) == ("no", "")
    assert [row["email"] for row in exported(staff, who="out")] == ["bob@example.com"]
    assert [row["email"] for row in exported(staff, q="ad")] == ["ada@example.com"]
    entries = AuditEntry.objects.filter(action="exported").order_by("pk")
    assert entries[1].after == {"list": "customers", "who": "out"}


def test_exporting_takes_a_manager(workspace: Workspace) -> None:
    people(workspace)
    for role in (Membership.Role.ANALYST, Membership.Role.EDITOR):
        client = member(workspace, role)
        assert client.get(EXPORT).status_code == 403
        assert EXPORT not in client.get(LIST).text
        assert shown(client) == ["eve", "bob", "ada"]
    assert len(exported(member(workspace, Membership.Role.MANAGER))) == 3


def test_nothing_of_another_workspace_is_shown_or_exported(workspace: Workspace) -> None:
    people(workspace)
    segment = SegmentFactory(workspace=workspace)
    client = stranger()
    for query in ({}, {"workspace": workspace.pk}, {"segment": segment.pk}, {"q": "ada"}):
        assert shown(client, **query) == [] and exported(client, **query) == []


def test_who_sees_several_workspaces_chooses_one(workspace: Workspace) -> None:
    people(workspace)
    other = WorkspaceFactory(slug="zeta")
    CustomerFactory(workspace=other, email="zoe@example.com")
    client = superuser()
    assert shown(client, workspace=other.pk) == ["zoe"]
    assert shown(client, workspace=workspace.pk) == ["eve", "bob", "ada"]
    assert Customer.objects.count() == 4


def test_who_sees_two_workspaces_is_shown_and_exports_nothing_of_a_third(workspace: Workspace) -> None:
    people(workspace)
    first = MembershipFactory(workspace=WorkspaceFactory(slug="alpha"), role=Membership.Role.OWNER)
    MembershipFactory(user=first.user, workspace=WorkspaceFactory(slug="beta"), role=Membership.Role.OWNER)
    client = Client()
    client.force_login(first.user)
    assert shown(client, workspace=workspace.pk) == [] and exported(client, workspace=workspace.pk) == []


def test_only_members_come_in(workspace: Workspace) -> None:
    assert customer_of_the_site().get(LIST).status_code == 302
    client = Client()
    client.force_login(UserFactory())
    assert client.get(LIST).status_code == 403


def test_the_search_field_gets_the_part_that_changes(staff: Client, workspace: Workspace) -> None:
    people(workspace)
    part = staff.get(LIST, {"q": "ada"}, headers={"HX-Request": "true", "HX-Target": "people"}).text
    assert part.strip().startswith('<section id="people"') and "ada@example.com" in part
