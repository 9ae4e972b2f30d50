"""Ctrl+K: pages, acts, and whatever of one's own has such a name."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from tests.delivery.staff import member
from tests.factories import CampaignFactory, CustomerFactory, SegmentFactory, TemplateFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    cache.clear()


def found(client: Client, words: str) -> list[tuple[str, str]]:
    page = client.get(reverse("admin:search"), {"s": words, "extended": "1"})
    return [(item.description, item.title) for item in page.context["results"]]


def test_it_finds_pages_acts_and_things_by_their_names() -> None:
    campaign = CampaignFactory(name="Spring sale", template=TemplateFactory(name="Spring letter"))
    SegmentFactory(name="Springers")
    CustomerFactory(email="springer@example.com")
    seen = found(member(campaign.workspace), "spring")
    for expected in [
        ("Campaign", "Spring sale"),
        ("Template", "Spring letter"),
        ("Segment", "Springers"),
        ("Customer", "springer@example.com"),
    ]:
        assert expected in seen
    assert ("Act", "New campaign") in found(member(campaign.workspace), "new c")


def test_it_finds_nothing_of_other_workspaces_and_offers_nobody_what_they_may_not_do() -> None:
    CampaignFactory(name="Foreign spring", workspace__slug="other")
    CustomerFactory(email="spring@example.com", workspace__slug="other")
    assert found(member(), "spring") == []
    assert ("Act", "New campaign") not in found(member(role=Membership.Role.ANALYST), "new c")
