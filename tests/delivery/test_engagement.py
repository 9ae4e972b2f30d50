"""What segments may ask about mails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.db import connection, transaction

from audience import segments
from audience.models import Customer, Workspace
from campaigns.models import Campaign
from delivery.models import Event, SendLog
from tests.factories import CampaignFactory, CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

# In Auckland it is noon on 10 March.
NOW = datetime(2024, 3, 9, 23, tzinfo=UTC)
FIRST_MOMENT_OF_10_MARCH = datetime(2024, 3, 9, 11, tzinfo=UTC)
keys = count()


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory(time_zone="Pacific/Auckland")
    return workspace


@pytest.fixture
def campaign(workspace: Workspace) -> Campaign:
    campaign: Campaign = CampaignFactory(workspace=workspace)
    return campaign


def mail(
    campaign: Campaign, customer: Customer, sent_at: datetime | None = NOW, **columns: object
) -> SendLog:
    return SendLog.objects.create(
        workspace=campaign.workspace,
        campaign=campaign,
        customer=customer,
        sender=campaign.senders.first(),
        email=customer.email,
        due_at=NOW,
        sent_at=sent_at,
        **({"status": SendLog.Status.SENT} | columns),
    )


def event(row: SendLog, type_: str, at: datetime = NOW, verdict: str = Event.Verdict.PERSON) -> None:
    Event.objects.create(
        workspace=row.workspace,
        sendlog=row,
        customer_id=row.customer_id,
        type=type_,
        source=Event.Source.LINK,
        key=str(next(keys)),
        verdict=verdict,
        at=at,
    )


def found(workspace: Workspace, field: str, operator: str, value: object = None) -> set[str]:
    rule = {"field": f"engagement.{field}", "operator": operator, "value": value}
    matching = segments.matching(workspace, {"all": [rule]}, NOW)
    names = [customer.name for customer in matching]
    assert len(names) == len(set(names)), "somebody is found twice"
    return set(names)


@pytest.fixture
def cast(workspace: Workspace, campaign: Campaign) -> None:
    """One who opened and clicked twice, one whose mail bounced, one still queued, one not written to."""
    ann, bob, cleo, _ = (
        CustomerFactory(workspace=workspace, name=name) for name in ("ann", "bob", "cleo", "dan")
    )
    opened = mail(campaign, ann)
    for _ in range(2):
        event(opened, Event.Type.OPENED)
        event(opened, Event.Type.CLICKED)
    mail(campaign, bob, outcome=SendLog.Outcome.BOUNCED, outcome_at=NOW)
    mail(campaign, cleo, status=SendLog.Status.QUEUED, sent_at=None)


@pytest.mark.usefixtures("cast")
@pytest.mark.parametrize(
    ("field", "names"),
    [("sent", {"ann", "bob"}), ("opened", {"ann"}), ("clicked", {"ann"}), ("bounced", {"bob"})],
)
def test_ever_and_never_divide_the_audience(workspace: Workspace, field: str, names: set[str]) -> None:
    assert found(workspace, field, "ever") == names
    assert found(workspace, field, "never") == {"ann", "bob", "cleo", "dan"} - names


@pytest.mark.parametrize("type_", [Event.Type.OPENED, Event.Type.CLICKED])
def test_machines_count_only_where_they_are_asked_for(
    workspace: Workspace, campaign: Campaign, type_: Event.Type
) -> None:
    for verdict in ("", *Event.Verdict.values):
        row = mail(campaign, CustomerFactory(workspace=workspace, name=verdict or "reported twice"))
        event(row, type_, verdict=verdict)
    assert found(workspace, type_, "ever") == found(workspace, type_, "campaign", campaign.pk) == {"person"}
    assert found(workspace, f"{type_}_all", "ever") == set(Event.Verdict.values)
    assert found(workspace, f"{type_}_all", "never") == {"reported twice"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite names no index-only scan so")
@pytest.mark.parametrize("field", ["opened", "opened_all", "clicked"])
def test_who_opened_lately_is_told_by_the_index_alone(workspace: Workspace, field: str) -> None:
    rule = {"field": f"engagement.{field}", "operator": "in_last_days", "value": 7}
    query = segments.matching(workspace, {"all": [rule]}, NOW)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute("DROP INDEX event_customer")
        plan = query.explain()
        transaction.set_rollback(True)
    assert "Index Only Scan using event_recent" in plan, plan


@pytest.mark.usefixtures("cast")
@pytest.mark.parametrize("field", ["sent", "opened", "clicked", "bounced"])
def test_of_one_campaign_only(workspace: Workspace, campaign: Campaign, field: str) -> None:
    other = CampaignFactory(workspace=workspace)
    assert found(workspace, field, "campaign", campaign.pk) == found(workspace, field, "ever")
    assert found(workspace, field, "campaign", other.pk) == set()
    assert found(workspace, field, "not_campaign", campaign.pk) == found(workspace, field, "never")


@pytest.mark.parametrize("field", ["sent", "opened", "clicked", "bounced"])
def test_days_are_counted_in_the_workspaces_time_zone(
    workspace: Workspace, campaign: Campaign, field: str
) -> None:
    for name, at in (
        ("today", FIRST_MOMENT_OF_10_MARCH),
        ("yesterday", FIRST_MOMENT_OF_10_MARCH - timedelta(seconds=1)),
    ):
        customer = CustomerFactory(workspace=workspace, name=name)
        row = mail(campaign, customer, at, outcome=SendLog.Outcome.BOUNCED, outcome_at=at)
        event(row, Event.Type.OPENED, at)
        event(row, Event.Type.CLICKED, at)
    assert found(workspace, field, "in_last_days", 1) == {"today"}
    assert found(workspace, field, "in_last_days", 2) == {"today", "yesterday"}
    assert found(workspace, field, "not_in_last_days", 1) == {"yesterday"}


@pytest.mark.usefixtures("cast")
def test_a_campaign_of_another_workspace_is_refused(workspace: Workspace) -> None:
    theirs = CampaignFactory(workspace=WorkspaceFactory(slug="other"))
    with pytest.raises(segments.InvalidCriteria, match="a campaign of this workspace"):
        found(workspace, "opened", "campaign", theirs.pk)


def test_mails_of_another_workspace_are_never_counted(workspace: Workspace, campaign: Campaign) -> None:
    other = WorkspaceFactory(slug="other")
    theirs = CustomerFactory(workspace=other, name="theirs")
    row = mail(campaign, theirs)
    event(row, Event.Type.OPENED)
    assert found(other, "sent", "ever") == found(other, "opened", "ever") == set()
    assert found(other, "sent", "never") == {"theirs"}


def test_engagement_in_words(workspace: Workspace) -> None:
    spring = CampaignFactory(workspace=workspace, name="Spring sale")
    rules = [
        {"field": "engagement.bounced", "operator": "never"},
        {"field": "engagement.clicked", "operator": "not_campaign", "value": spring.pk},
    ]
    assert segments.describe(workspace, {"all": rules}) == (
        'mail bounced never and mail clicked not in campaign "Spring sale"'
    )
