"""Segments in the admin: JSON with its errors, and the answer beside it."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Membership, Segment, Workspace
from tests.factories import (
    AttributeFactory,
    CampaignFactory,
    CustomerFactory,
    MembershipFactory,
    SegmentFactory,
    UserFactory,
    WorkspaceFactory,
)

ADD = "admin:audience_segment_add"
PREVIEW = "admin:audience_segment_preview"
SUGGEST = "admin:audience_segment_suggestions"
LIST = "admin:audience_segment_changelist"
MANY_ORDERS = {"all": [{"field": "attributes.orders", "operator": "greater_or_equal", "value": 3}]}


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    return client


def test_a_segment_is_saved_as_its_author_wrote_it(staff: Client) -> None:
    AttributeFactory()
    response = staff.post(reverse(ADD), {"name": "Loyal", "criteria": json.dumps(MANY_ORDERS)})
    assert response.status_code == 302
    segment = Segment.objects.get()
    assert segment.criteria == MANY_ORDERS
    page = staff.get(reverse("admin:audience_segment_change", args=[segment.pk])).text
    assert "attributes.orders" in page and "greater_or_equal" in page
    assert "orders ≥ 3" in staff.get(reverse("admin:audience_segment_changelist")).text


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ("", "required"),
        ('{"all": [', "Line 1, column "),
        ("[" * 100_000, "nested too deeply"),
        ('{"all": []}', "at least one rule"),
        ('{"all": [{"field": "attributes.gone", "operator": "is_set"}]}', "rule 1: there is no field"),
    ],
)
def test_what_is_wrong_with_criteria_is_said_with_its_place(
    staff: Client, criteria: str, message: str
) -> None:
    page = staff.post(reverse(ADD), {"name": "Loyal", "criteria": criteria})
    assert message in str(page.context["adminform"].form.errors["criteria"])
    assert not Segment.objects.exists()


def test_two_segments_of_one_name_are_refused(staff: Client) -> None:
    SegmentFactory(name="Loyal")
    page = staff.post(reverse(ADD), {"name": "Loyal", "criteria": json.dumps(MANY_ORDERS)})
    assert page.status_code == 200
    assert Segment.objects.count() == 1


def test_the_preview_counts_shows_and_says_who_is_in_it(staff: Client) -> None:
    AttributeFactory()
    CustomerFactory(email="loyal@example.com", attributes={"orders": 5})
    CustomerFactory(email="new@example.com", attributes={"orders": 1})
    data = {"workspace": Workspace.objects.get().pk, "criteria": json.dumps(MANY_ORDERS)}
    page = staff.post(reverse(PREVIEW), data).text
    assert 'count">1</b> person' in page and "loyal@example.com" in page and "new@example.com" not in page
    assert "orders ≥ 3" in page
    assert "not JSON" in staff.post(reverse(PREVIEW), data | {"criteria": "{"}).text
    assert not Segment.objects.exists()


def test_a_segment_that_cannot_be_used_any_more_says_so_in_the_list(staff: Client) -> None:
    SegmentFactory(criteria=MANY_ORDERS)
    assert "Cannot be used" in staff.get(reverse("admin:audience_segment_changelist")).text


def test_what_is_missing_in_a_rule_is_said_with_its_path(staff: Client) -> None:
    unfinished = {"all": [MANY_ORDERS["all"][0] | {"value": None}]}
    AttributeFactory()
    data = {"workspace": Workspace.objects.get().pk, "criteria": json.dumps(unfinished)}
    page = staff.post(reverse(PREVIEW), data)
    assert page.context["problems"] == [{"path": (0,), "message": "Enter a number."}]
    assert "One rule is not finished" in page.text


def test_values_are_suggested_within_the_workspaces_that_one_sees(staff: Client) -> None:
    AttributeFactory(name="city", type="text")
    CustomerFactory(attributes={"city": "Lima"})
    asked = {"workspace": Workspace.objects.get().pk, "field": "attributes.city", "operator": "equals"}
    assert staff.get(reverse(SUGGEST), asked).json() == [["Lima", "Lima"]]
    foreign = WorkspaceFactory(name="Other", slug="other").pk
    for workspace in (foreign, "", "x", 0):
        assert staff.get(reverse(SUGGEST), asked | {"workspace": workspace}).status_code == 404
    assert staff.post(reverse(SUGGEST), asked).status_code == 405


def test_an_empty_list_offers_examples_to_begin_with(staff: Client) -> None:
    page = staff.get(reverse(LIST)).text
    assert "Opted in and opened in the last 90 days" in page
    form = staff.get(reverse(ADD), {"example": "engaged"}).context["adminform"].form
    assert form["name"].value() == "Opted in and opened in the last 90 days"
    saved = staff.post(reverse(ADD), {"name": "Engaged", "criteria": form["criteria"].value()})
    assert saved.status_code == 302
    assert "Opted in and opened" not in staff.get(reverse(LIST)).text


def test_the_list_says_what_uses_each_segment(staff: Client) -> None:
    used, _ = SegmentFactory(name="Used"), SegmentFactory(name="Unused")
    for number in range(5):
        CampaignFactory(segment=used, name=f"Letter {number}")
    page = staff.get(reverse(LIST)).text
    assert "Letter 4" in page and "Letter 1" not in page and "and 2 more" in page


def test_criteria_that_something_runs_on_are_not_changed_unawares(staff: Client) -> None:
    segment = SegmentFactory(name="Loyal")
    CampaignFactory(segment=segment, name="Winter", status="active")
    change = reverse("admin:audience_segment_change", args=[segment.pk])
    assert "“Winter” (campaign, active)" in staff.get(change).text
    AttributeFactory()
    data = {"name": "Loyal", "criteria": json.dumps(MANY_ORDERS)}
    refused = staff.post(change, data)
    assert "Nothing was changed yet. “Winter” would go by" in refused.text
    segment.refresh_from_db()
    assert segment.criteria != MANY_ORDERS
    assert staff.post(change, data | {"aware": "on"}).status_code == 302
    segment.refresh_from_db()
    assert segment.criteria == MANY_ORDERS


def test_a_segment_that_something_runs_on_may_be_renamed(staff: Client) -> None:
    segment = SegmentFactory()
    CampaignFactory(segment=segment, status="active")
    data = {"name": "Renamed", "criteria": json.dumps(segment.criteria)}
    change = reverse("admin:audience_segment_change", args=[segment.pk])
    assert staff.post(change, data).status_code == 302


def test_before_a_segment_is_deleted_one_reads_what_uses_it(staff: Client) -> None:
    used, unused = SegmentFactory(), SegmentFactory()
    CampaignFactory(segment=used, name="Winter")
    delete = "admin:audience_segment_delete"
    assert "“Winter” (draft)" in staff.get(reverse(delete, args=[used.pk])).text
    assert "No campaign and no automation" in staff.get(reverse(delete, args=[unused.pk])).text
    staff.post(reverse(delete, args=[used.pk]), {"post": "yes"})
    assert Segment.objects.filter(pk=used.pk).exists()


def test_who_sees_several_workspaces_says_first_whose_customers_are_meant(client: Client, db: None) -> None:
    one, other = WorkspaceFactory(name="One"), WorkspaceFactory(name="Other", slug="other")
    AttributeFactory(workspace=other, name="shoe_size")
    client.force_login(UserFactory(is_superuser=True))
    page = client.get(reverse(ADD), {"example": "new"})
    assert f"?workspace={one.pk}&amp;example=new" in page.text and "vocabulary" not in page.context
    page = client.get(reverse(ADD), {"workspace": other.pk, "example": "new"})
    assert "shoe_size" in page.text
    assert page.context["adminform"].form["workspace"].value() == str(other.pk)
