"""Always-on campaigns that start people one by one."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest

from audience import clock, customer_events
from audience.customer_events import Happening
from audience.models import Attribute, Customer, Workspace
from campaigns import lifecycle
from campaigns.models import Automation, Campaign, Enrollment, SegmentMark
from delivery.mailbox.store import MailboxStore
from delivery.models import SendLog, Signup
from delivery.signups import confirming, links
from tests.delivery import signing_up
from tests.factories import (
    AttributeFactory,
    CustomerFactory,
    SegmentFactory,
    SignupFormFactory,
    TemplateFactory,
)
from tests.flows import START, ask, at, cast, days, leave, make_flow, on_flow, send, sent, wait, work, work_at

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("begun")]


def automation(*steps: object, segment: object = None, **how: object) -> Campaign:
    flow = make_flow(*(steps or (send(1), leave(2))))  # type: ignore[arg-type]
    campaign = on_flow(flow, kind=Campaign.Kind.AUTOMATION, segment=segment)
    Automation.objects.create(campaign=campaign, **how)
    lifecycle.activate(campaign)
    return campaign


def order(
    workspace: Workspace, key: str, email: str, at: datetime | None = None, **properties: object
) -> None:
    happening = Happening("order_placed", key, email=email, properties=properties, at=at)
    assert not customer_events.ingest(workspace, [happening]).errors


# --- Entering a segment ------------------------------------------------------------------------------


@pytest.fixture
def buyers(db: None) -> object:
    AttributeFactory(name="orders", type=Attribute.Type.NUMBER)
    rule = {"field": "attributes.orders", "operator": "greater", "value": 0}
    return SegmentFactory(criteria={"all": [rule]})


def buys(customer: Customer, orders: int) -> None:
    Customer.objects.filter(pk=customer.pk).update(attributes={"orders": orders})


def test_who_enters_the_segment_starts_and_who_was_in_it_does_not(buyers: object) -> None:
    people = cast(ada="", bo="")
    buys(people["ada"], 1)
    campaign = automation(segment=buyers)
    work()
    assert sent(campaign) == []
    buys(people["bo"], 1)
    work_at(START + timedelta(seconds=30))
    assert sent(campaign) == [], "it is too early for another look"
    work_at(days(1))
    work_at(days(2))
    assert sent(campaign) == [("bo", 1)]
    campaign.refresh_from_db()
    assert campaign.status == "active"


def test_those_who_are_in_the_segment_may_be_meant_too(buyers: object) -> None:
    buys(cast(ada="")["ada"], 1)
    campaign = automation(segment=buyers, includes_present=True)
    work()
    work_at(days(1))
    assert sent(campaign) == [("ada", 1)]


@pytest.mark.parametrize(
    ("again", "mails"),
    [(Automation.Again.ONCE, 1), (Automation.Again.ALWAYS, 3), (Automation.Again.AFTER, 2)],
)
def test_entering_again_counts_as_set(buyers: object, again: str, mails: int) -> None:
    person = cast(ada="")["ada"]
    campaign = automation(segment=buyers, again=again, again_days=10)
    work()
    for entered in (1, 6, 20):
        buys(person, 1)
        work_at(days(entered))
        buys(person, 0)
        work_at(days(entered + 1))
        assert not SegmentMark.objects.exists()
    assert sent(campaign) == [("ada", 1)] * mails


# --- Events ------------------------------------------------------------------------------------------


def test_event_starts_people_and_its_properties_are_in_criteria_and_templates(mailbox: MailboxStore) -> None:
    cast(ada="", bo="")
    template = TemplateFactory(subject="Order {{ event.number }} over {{ event.total }}")
    campaign = automation(
        ask(1, ("event.total", "greater", 50), yes=[send(2, template=template.pk)]),
        leave(3),
        start=Automation.Start.EVENT,
        event="order_placed",
        again=Automation.Again.ALWAYS,
    )
    order(campaign.workspace, "o1", "ada@example.com", START, number="A1", total=99.5)
    order(campaign.workspace, "o2", "ada@example.com", START, number="A2", total=20)
    order(campaign.workspace, "o3", "bo@example.com", START, number="B1", total=51)
    order(campaign.workspace, "o4", "bo@example.com", START, number="B2")
    work()
    assert sorted(message.subject for message in mailbox.search().messages) == [
        "Order A1 over 99.5",
        "Order B1 over 51",
    ]
    assert Enrollment.objects.count() == 4


def test_who_confirms_a_sign_up_starts_and_who_only_asks_does_not(mailbox: MailboxStore) -> None:
    form = SignupFormFactory(name="Footer")
    campaign = automation(start=Automation.Start.EVENT, event=confirming.EVENT)
    with clock.at(START + timedelta(minutes=1)):
        asked = [signing_up.ask(form, f"{name}@example.com") for name in ("ada", "bo")]
        confirming.confirm(links.read(links.token_of(asked[0])), None)
    Signup.objects.update(mail=Signup.Mail.SENT)
    work_at(START + timedelta(minutes=2))
    assert sent(campaign) == [("ada", 1)]


def test_repeated_event_starts_nobody_twice() -> None:
    cast(ada="")
    campaign = automation(start=Automation.Start.EVENT, event="order_placed", again=Automation.Again.ALWAYS)
    for _ in range(3):
        order(campaign.workspace, "o1", "ada@example.com", START)
        work()
    assert sent(campaign) == [("ada", 1)]


@pytest.mark.parametrize(
    ("again", "mails"),
    [(Automation.Again.ONCE, 1), (Automation.Again.ALWAYS, 4), (Automation.Again.AFTER, 2)],
)
def test_events_start_again_as_set(again: str, mails: int) -> None:
    cast(ada="")
    campaign = automation(start=Automation.Start.EVENT, event="order_placed", again=again, again_days=10)
    order(campaign.workspace, "o0", "ada@example.com", START)
    order(campaign.workspace, "o1", "ada@example.com", START)
    work()
    for number, day in enumerate((5, 11), start=2):
        with clock.at(days(day)):
            order(campaign.workspace, f"o{number}", "ada@example.com", START + timedelta(seconds=number))
            work()
    assert len(sent(campaign)) == mails


def test_what_happened_before_the_activation_starts_nobody() -> None:
    cast(ada="")
    workspace = Customer.objects.get().workspace
    order(workspace, "old", "ada@example.com", START - timedelta(days=1))
    campaign = automation(start=Automation.Start.EVENT, event="order_placed")
    order(workspace, "late", "ada@example.com", START - timedelta(days=1))
    work()
    assert not Enrollment.objects.filter(campaign=campaign).exists()


# --- Dates -------------------------------------------------------------------------------------------


def test_birthday_comes_every_year_on_each_persons_clock() -> None:
    AttributeFactory(name="birthday", type=Attribute.Type.DATE)
    for name, zone, day in (
        ("ada", "Europe/Berlin", "1990-03-30"),
        ("bo", "Pacific/Auckland", "1985-03-30"),
        ("cy", "", "1985-04-30"),
        ("di", "", "no date"),
    ):
        CustomerFactory(email=f"{name}@example.com", time_zone=zone, attributes={"birthday": day})
    campaign = automation(
        start=Automation.Start.DATE, attribute="birthday", offset_days=-1, at=time(8), again="always"
    )
    moment = START
    while moment < days(5):
        work_at(moment)
        moment += timedelta(hours=1)
    for year in (365, 366, 367, 368, 369):
        work_at(days(year))
    entries = Enrollment.objects.filter(campaign=campaign).order_by("entered_at").select_related("customer")
    assert [(entry.customer.email[:2], entry.entered_at) for entry in entries] == [
        ("bo", at("2027-03-29 08:00", "Pacific/Auckland")),
        ("ad", at("2027-03-29 08:00", "Europe/Berlin")),
        ("bo", at("2028-03-29 08:00", "Pacific/Auckland")),
        ("ad", at("2028-03-29 08:00", "Europe/Berlin")),
    ]
    first = SendLog.objects.order_by("id")[:2]
    assert [row.due_at for row in first] == [entry.entered_at for entry in entries[:2]]


def test_renewal_is_one_date() -> None:
    AttributeFactory(name="renewal", type=Attribute.Type.DATE)
    CustomerFactory(email="ada@example.com", attributes={"renewal": "2027-04-10"})
    CustomerFactory(email="bo@example.com", attributes={"renewal": "2020-04-10"})
    campaign = automation(start=Automation.Start.DATE, attribute="renewal", offset_days=-14, is_yearly=False)
    for day in range(4):
        work_at(days(day))
    assert sent(campaign) == [("ada", 1)]


def test_birthday_on_leap_day_is_kept_on_the_28th_of_other_years() -> None:
    AttributeFactory(name="birthday", type=Attribute.Type.DATE)
    CustomerFactory(email="ada@example.com", attributes={"birthday": "2000-02-29"})
    with clock.at(at("2027-02-01 09:00")):
        campaign = automation(start=Automation.Start.DATE, attribute="birthday", again="always")
    for year in (2027, 2028, 2029):
        for day in ("02-27", "02-28", "03-01", "03-02"):
            work_at(at(f"{year}-{day} 12:00"))
    entries = Enrollment.objects.filter(campaign=campaign).order_by("entered_at")
    assert [f"{entry.entered_at:%Y-%m-%d}" for entry in entries] == ["2027-02-28", "2028-02-29", "2029-02-28"]


def test_automation_needs_to_know_who_starts() -> None:
    flow = make_flow(send(1), wait(2, days=1), leave(3))
    for how, says in (
        ({"start": Automation.Start.EVENT}, "No event is named"),
        ({"start": Automation.Start.DATE, "attribute": "birthday"}, "No date is chosen"),
        ({"start": Automation.Start.SEGMENT}, "No segment is chosen"),
    ):
        campaign = on_flow(flow, kind=Campaign.Kind.AUTOMATION, segment=None)
        Automation.objects.create(campaign=campaign, **how)
        with pytest.raises(lifecycle.NotReady, match=says):
            lifecycle.activate(campaign)
