"""Which campaigns and automations use a segment: what runs comes first."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from audience import segments
from campaigns.models import Campaign
from tests.factories import CampaignFactory, SegmentFactory

pytestmark = pytest.mark.django_db
Status = Campaign.Status


def test_a_segment_knows_what_uses_it_and_what_of_it_runs() -> None:
    segment, unused = SegmentFactory(), SegmentFactory()
    for status in (Status.ACTIVE, Status.DRAFT, Status.PAUSED, Status.COMPLETED):
        CampaignFactory(segment=segment, name=status.value, status=status)
    CampaignFactory(segment=segment, name="always on", kind=Campaign.Kind.AUTOMATION)
    CampaignFactory(segment=segment, name="to everybody", audience="all_subscribed")
    found = segments.uses([segment.pk, unused.pk])
    assert found[unused.pk] == []
    assert [(use.name, use.is_running) for use in found[segment.pk]] == [
        ("paused", True),
        ("active", True),
        ("always on", False),
        ("completed", False),
        ("draft", False),
    ]
    assert found[segment.pk][2].kind == "Automation"


def test_many_segments_are_asked_about_at_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    many = [CampaignFactory().segment_id for _ in range(3)]
    with django_assert_num_queries(1):
        assert all(len(found) == 1 for found in segments.uses(many).values())
