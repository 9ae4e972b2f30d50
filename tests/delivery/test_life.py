"""A customer's life: everything that happened, in one order, a page at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audience import suppression
from audience.models import ConsentRecord, Customer, CustomerEvent, Suppression
from campaigns.models import Campaign, Enrollment, FlowVersion
from delivery import life
from delivery.life import Entry, Kind, Place
from delivery.models import Event, SendLog
from tests.factories import CampaignFactory, CustomerFactory, FlowFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def customer() -> Customer:
    made: Customer = CustomerFactory(email="ada@example.com")
    Customer.objects.filter(pk=made.pk).update(created_at=START)
    return made


@pytest.fixture
def campaign(customer: Customer) -> Campaign:
    made: Campaign = CampaignFactory(workspace=customer.workspace, name="Spring")
    return made


def at(day: int) -> datetime:
    return START + timedelta(days=day)


def mail(customer: Customer, campaign: Campaign, day: int, **columns: Any) -> SendLog:
    values = {"customer": customer, "email": customer.email, "status": "sent", "sent_at": at(day), **columns}
    sender = campaign.sender_shares.get().sender
    row: SendLog = SendLog.objects.create(
        workspace=campaign.workspace, campaign=campaign, sender=sender, due_at=at(day), **values
    )
    return row


def event(row: SendLog, type: str, day: int, **columns: Any) -> Event:
    values = {"source": "tracker", "verdict": "person" if type in ("opened", "clicked") else "", **columns}
    return Event.objects.create(
        workspace=row.workspace,
        sendlog=row,
        customer_id=row.customer_id,
        type=type,
        key=f"{row.pk} {type} {day} {values['verdict']}",
        at=at(day),
        **values,
    )


def consent(customer: Customer, day: int, granted: bool = True, **columns: Any) -> None:
    ConsentRecord.objects.create(
        workspace=customer.workspace,
        customer=customer,
        email=customer.email,
        granted=granted,
        source="staff",
        at=at(day),
        **columns,
    )


def did(customer: Customer, day: int, name: str = "order_placed", **properties: Any) -> None:
    CustomerEvent.objects.create(
        workspace=customer.workspace,
        customer=customer,
        name=name,
        key=f"{name} {day} {CustomerEvent.objects.count()}",
        at=at(day),
        properties=properties,
    )


def on_the_way(customer: Customer, day: int, **columns: Any) -> Enrollment:
    flow = FlowFactory(workspace=customer.workspace)
    steps = [{"key": 1, "kind": "wait", "for": {"days": 7}}, {"key": 2, "kind": "exit"}]
    version = FlowVersion.objects.create(flow=flow, number=1, steps=steps)
    campaign = CampaignFactory(workspace=customer.workspace, name="Welcome", flow=flow, template=None)
    values = {"state": "waiting", "due_at": at(day + 7), "entered_at": at(day), **columns}
    place: Enrollment = Enrollment.objects.create(
        campaign=campaign, version=version, customer=customer, key="start", step=1, **values
    )
    return place


def told(entries: list[Entry]) -> list[str]:
    return [entry.what or f"{entry.campaign}: {entry.detail}" for entry in entries]


def test_everything_stands_in_one_order_the_newest_first(customer: Customer, campaign: Campaign) -> None:
    consent(customer, 1)
    row = mail(customer, campaign, 2, outcome="delivered")
    event(row, "opened", 3)
    event(row, "clicked", 4, link=2)
    did(customer, 5, total=49)
    on_the_way(customer, 6, state="left", reason="removed", ended_at=at(7))
    consent(customer, 8, granted=False, channel="sms")
    suppression.suppress(customer.workspace, customer.email, Suppression.Reason.MANUAL, note="Called us")
    assert told(life.page(customer, None, None, 50)) == [
        "Suppressed: gets no mail",
        "Opted out of SMS",
        "Left the flow",
        "Began the flow",
        "order_placed",
        "Clicked",
        "Opened",
        "Spring: Yes: sent to ada@example.com. Then: delivered.",
        "Opted in to e-mail",
        "Became a customer",
    ]


def test_a_life_is_narrowed_by_kind(customer: Customer, campaign: Campaign) -> None:
    row = mail(customer, campaign, 2)
    event(row, "opened", 3)
    event(row, "bounced", 4, bounce="hard", detail="550 no such user")
    did(customer, 5)
    on_the_way(customer, 6)
    consent(customer, 7)
    by_kind = {kind: told(life.page(customer, kind, None, 50)) for kind in Kind}
    assert by_kind == {
        Kind.MAILS: ["Hard bounce", "Spring: Yes: sent to ada@example.com."],
        Kind.REACTIONS: ["Opened"],
        Kind.CONSENT: ["Opted in to e-mail", "Became a customer"],
        Kind.EVENTS: ["order_placed"],
        Kind.FLOWS: ["Began the flow"],
    }


def test_machines_that_open_and_click_are_nobody(customer: Customer, campaign: Campaign) -> None:
    row = mail(customer, campaign, 2)
    for day, verdict in enumerate(("scanner", "apple", ""), 3):
        event(row, "opened", day, verdict=verdict)
    assert life.page(customer, Kind.REACTIONS, None, 50) == []


def test_pages_follow_each_other_without_gap_or_repetition(customer: Customer, campaign: Campaign) -> None:
    """Also where many things happened in the same moment."""
    row = mail(customer, campaign, 1)
    for day in (1, 1, 2):
        did(customer, day)
        consent(customer, day)
        mail(customer, CampaignFactory(workspace=customer.workspace), day)
    event(row, "opened", 1)
    event(row, "clicked", 1)
    on_the_way(customer, 1, state="finished", ended_at=at(1))
    whole = [entry.place for entry in life.page(customer, None, None, 100)]
    assert len(whole) == len(set(whole)) == 15
    walked: list[Place] = []
    while found := life.page(customer, None, walked[-1] if walked else None, 2):
        walked += [Place.read(str(entry.place)) for entry in found]  # type: ignore[misc]
    assert walked == whole


@pytest.mark.parametrize(
    "text", ["", "x", "1-2", "1-2-3-4", "1-2-x", "-1-2-3", f"{9 * 10**17}-0-1", "9" * 30]
)
def test_what_is_no_place_begins_at_the_beginning(text: str) -> None:
    assert Place.read(text) is None


def test_mails_of_before_a_re_import_are_known_by_their_address(
    customer: Customer, campaign: Campaign
) -> None:
    mail(customer, campaign, 1, customer_id=10**9)
    other = CampaignFactory(workspace=WorkspaceFactory(slug="other"))
    mail(customer, other, 2, customer_id=10**9 + 1)
    assert len(life.page(customer, Kind.MAILS, None, 50)) == 1


def test_a_click_knows_the_address_of_its_link(customer: Customer, campaign: Campaign) -> None:
    from campaigns import lifecycle

    lifecycle.activate(campaign)
    campaign.content.links = [{"url": "https://shop.example/{{ customer.id }}", "text": "Shop"}]
    campaign.content.save(update_fields=["links"])
    row = mail(customer, campaign, 1)
    event(row, "clicked", 2, link=1)
    event(row, "clicked", 3, link=9)
    entries = life.page(customer, Kind.REACTIONS, None, 50)
    assert list(life.addresses(entries).values()) == ["https://shop.example/{{ customer.id }}"]


def test_an_import_and_whoever_recorded_a_consent_are_named(customer: Customer) -> None:
    consent(
        customer, 1, actor=UserFactory(username="grace"), evidence="Fair in Leeds", ip_address="192.0.2.7"
    )
    [entry, _] = life.page(customer, Kind.CONSENT, None, 50)
    assert entry.detail == "Staff · by grace · Fair in Leeds · 192.0.2.7"


def test_a_long_life_costs_as_many_queries_as_a_short_one(
    customer: Customer, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    for day in range(1, 15):
        row = mail(customer, CampaignFactory(workspace=customer.workspace), day)
        event(row, "opened", day)
        event(row, "clicked", day, link=1)
        did(customer, day)
        consent(customer, day)
        on_the_way(customer, day)
    with django_assert_max_num_queries(len(life.SOURCES) + 1):
        life.addresses(life.page(customer, None, None, 50))
