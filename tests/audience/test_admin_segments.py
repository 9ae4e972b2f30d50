"""Segments in the admin: JSON with its errors, and the answer beside it."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Membership, Segment, Workspace
from tests.factories import AttributeFactory, CustomerFactory, MembershipFactory, SegmentFactory

ADD = "admin:audience_segment_add"
PREVIEW = "admin:audience_segment_preview"
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
    assert "1 person" in page and "loyal@example.com" in page and "new@example.com" not in page
    assert "orders ≥ 3" in page
    assert "not JSON" in staff.post(reverse(PREVIEW), data | {"criteria": "{"}).text
    assert not Segment.objects.exists()


def test_a_segment_that_cannot_be_used_any_more_says_so_in_the_list(staff: Client) -> None:
    SegmentFactory(criteria=MANY_ORDERS)
    assert "Cannot be used" in staff.get(reverse("admin:audience_segment_changelist")).text
