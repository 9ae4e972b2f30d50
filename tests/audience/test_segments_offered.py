"""What the builder of criteria is told: fields under headings, and operators that many fields share."""

from __future__ import annotations

from typing import Any

import pytest

from audience import segments
from audience.models import Workspace
from tests.factories import AttributeFactory, CampaignFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory()
    AttributeFactory(workspace=workspace, name="city", type="text")
    AttributeFactory(workspace=workspace, name="plan", type="text")
    AttributeFactory(workspace=workspace, name="orders", type="number")
    return workspace


def offered(workspace: Workspace) -> dict[str, dict[str, Any]]:
    words = segments.vocabulary(segments.fields(workspace))
    return {group["label"]: {field["name"]: field for field in group["fields"]} for group in words["groups"]}


def test_every_field_stands_under_its_heading(workspace: Workspace) -> None:
    groups = offered(workspace)
    assert [*groups] == ["Customer", "Attributes", "Mails"]
    assert "email" in groups["Customer"] and "engagement.opened" in groups["Mails"]
    assert [*groups["Attributes"]] == ["attributes.city", "attributes.orders", "attributes.plan"]
    assert sum(map(len, groups.values())) == len(segments.fields(workspace))


def test_fields_of_one_kind_share_their_operators(workspace: Workspace) -> None:
    words = segments.vocabulary(segments.fields(workspace))
    city, orders, plan = offered(workspace)["Attributes"].values()
    assert city["operators"] == plan["operators"] != orders["operators"]
    names = [operator["name"] for operator in words["operators"][orders["operators"]]]
    assert names[:2] == ["equals", "not_equals"] and "between" in names


def test_values_are_suggested_where_people_share_them(workspace: Workspace) -> None:
    groups = offered(workspace)
    suggesting = {name for fields in groups.values() for name, about in fields.items() if "suggests" in about}
    assert suggesting == {"attributes.city", "attributes.plan", "language", "time_zone"}


def test_campaigns_are_called_by_their_names(workspace: Workspace) -> None:
    campaign = CampaignFactory(workspace=workspace, name="Spring")
    rules = [
        {"field": "engagement.opened", "operator": "campaign", "value": value}
        for value in (campaign.pk, campaign.pk, 0, None, [])
    ]
    odd = [{"field": "engagement.opened", "operator": []}, {"field": "gone", "operator": "campaign"}, 7]
    nested = {"all": [{"any": rules}, *odd]}
    assert segments.labels(workspace, nested, segments.fields(workspace)) == [(campaign.pk, "Spring")]
