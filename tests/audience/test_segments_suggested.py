"""Values that are suggested while a rule is written: frequent ones, of this workspace, in bounded time."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from audience.models import Workspace
from audience.segments import suggestions
from tests.factories import AttributeFactory, CampaignFactory, CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory()
    AttributeFactory(workspace=workspace, name="city", type="text")
    AttributeFactory(workspace=workspace, name="orders", type="number")
    for city in ("Berlin", "Lima", "Berlin", 'A "b"', "Berlin", "Lima", 7, "", None, "x" * 101):
        CustomerFactory(workspace=workspace, attributes={"city": city, "orders": 1}, language="de")
    CustomerFactory(workspace=workspace, attributes={})
    other = WorkspaceFactory(name="Other", slug="other")
    CustomerFactory(workspace=other, attributes={"city": "Rome"})
    return workspace


def values(workspace: Workspace, *asked: str) -> list[Any]:
    return [value for value, _ in suggestions(workspace, *asked)]


def test_the_most_frequent_values_come_first(workspace: Workspace) -> None:
    assert values(workspace, "attributes.city", "equals") == ["Berlin", "Lima", 'A "b"']
    assert values(workspace, "language", "equals") == ["de"]


def test_only_those_that_hold_what_was_typed_are_suggested(workspace: Workspace) -> None:
    assert values(workspace, "attributes.city", "in", "LI") == ["Berlin", "Lima"]
    assert values(workspace, "attributes.city", "in", "lim") == ["Lima"]


@pytest.mark.parametrize("field", ["email", "name", "attributes.orders", "attributes.gone", "subscribed", ""])
def test_what_tells_people_apart_or_is_no_text_is_not_suggested(workspace: Workspace, field: str) -> None:
    assert values(workspace, field, "equals") == []


def test_a_large_audience_costs_no_more_than_a_small_one(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr("audience.segments.suggested.SAMPLE", 2)
    CustomerFactory(workspace=workspace, attributes={"city": "Porto"})
    CustomerFactory(workspace=workspace, attributes={"city": "Oslo"})
    with django_assert_max_num_queries(2):
        assert sorted(values(workspace, "attributes.city", "equals")) == ["Oslo", "Porto"]


def test_campaigns_are_found_by_their_names(workspace: Workspace) -> None:
    spring = CampaignFactory(workspace=workspace, name="Spring letter")
    CampaignFactory(workspace=workspace, name="Autumn letter")
    CampaignFactory(name="Spring elsewhere", workspace=WorkspaceFactory(name="Third", slug="third"))
    assert suggestions(workspace, "engagement.opened", "campaign", "spring") == [(spring.pk, "Spring letter")]
    assert len(suggestions(workspace, "engagement.opened", "campaign")) == 2
