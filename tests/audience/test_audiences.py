"""Whom each audience choice means."""

from __future__ import annotations

import pytest

from audience.audiences import Audience, customers
from audience.models import Workspace
from audience.segments import InvalidCriteria
from tests.factories import CustomerFactory, SegmentFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    """One customer for each pair of opt-ins, and as many in another workspace."""
    workspace: Workspace = WorkspaceFactory()
    for owner in (workspace, WorkspaceFactory(slug="other")):
        for name, email, sms in (("both", 1, 1), ("email", 1, 0), ("sms", 0, 1), ("none", 0, 0)):
            CustomerFactory(
                workspace=owner,
                email=f"{name}@x.example",
                name=name,
                subscribed=bool(email),
                sms_subscribed=bool(sms),
            )
    return workspace


@pytest.mark.parametrize(
    ("audience", "names"),
    [
        (Audience.ALL_SUBSCRIBED, ["both", "email", "sms"]),
        (Audience.EMAIL_ONLY, ["email"]),
        (Audience.SMS_ONLY, ["sms"]),
        (Audience.BOTH, ["both"]),
    ],
)
def test_a_choice_of_opt_ins_means_these(workspace: Workspace, audience: Audience, names: list[str]) -> None:
    assert sorted(customer.name for customer in customers(workspace, audience, None)) == names


def test_a_segment_decides_by_its_criteria_alone(workspace: Workspace) -> None:
    rule = {"field": "name", "operator": "in", "value": ["none", "sms"]}
    segment = SegmentFactory(workspace=workspace, criteria={"all": [rule]})
    found = customers(workspace, Audience.SEGMENT, segment)
    assert sorted(customer.name for customer in found) == ["none", "sms"]
    assert {customer.workspace for customer in found} == {workspace}


def test_a_segment_of_another_workspace_is_refused(workspace: Workspace) -> None:
    segment = SegmentFactory(workspace=WorkspaceFactory(slug="other"))
    with pytest.raises(ValueError, match="a segment of this workspace"):
        customers(workspace, Audience.SEGMENT, segment)


def test_the_segment_must_be_given(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="a segment of this workspace"):
        customers(workspace, Audience.SEGMENT, None)


def test_a_segment_that_can_no_longer_be_evaluated_is_refused(workspace: Workspace) -> None:
    gone = {"all": [{"field": "attributes.gone", "operator": "is_set"}]}
    with pytest.raises(InvalidCriteria, match="attributes.gone"):
        customers(workspace, Audience.SEGMENT, SegmentFactory(workspace=workspace, criteria=gone))
