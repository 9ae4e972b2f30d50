"""Campaigns on flows from activation to their end, with real sending to a mailbox and a moved clock."""

from __future__ import annotations

import os
import threading
from collections import Counter
from datetime import date, time, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audience import clock, suppression
from audience.models import Attribute, Customer, Suppression
from campaigns import lifecycle
from campaigns.flows import advance, publishing
from campaigns.flows.runs import Overdue
from campaigns.models import Campaign, Enrollment, StepSum
from delivery import flow_mails
from delivery.mailbox.store import MailboxStore
from delivery.models import Event, Progress, SendLog
from delivery.simulator import simulate
from tests.factories import AttributeFactory, CustomerFactory, SuppressionFactory
from tests.flows import (
    START,
    activated,
    ask,
    at,
    cast,
    days,
    ids,
    jump,
    leave,
    make_flow,
    on_flow,
    reacted,
    send,
    sent,
    split,
    states,
    update,
    wait,
    wait_for,
    work,
    work_at,
)

pytestmark = pytest.mark.django_db
# Of the plan that is held against a real run. FLOW_PEOPLE=10000 takes minutes.
PEOPLE = int(os.environ.get("FLOW_PEOPLE", "60"))


def test_campaign_on_a_flow_sends_waits_sends_and_completes_by_itself(
    begun: None, mailbox: MailboxStore
) -> None:
    cast(ada="Europe/Berlin", bo="")
    campaign = activated(send(1), wait(2, days=3), send(3), leave(4))
    work()
    assert sorted(sent(campaign)) == [("ada", 1), ("bo", 1)]
    work_at(days(2.9))
    assert len(sent(campaign)) == 2
    work_at(days(3))
    assert len(sent(campaign)) == 4
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == ("completed", "4 of 4 sent")
    assert states(campaign) == {"finished": 2}
    kept = Counter(message.subject for message in mailbox.search().messages)
    assert kept == {"Mail 1": 2, "Mail 3": 2}
    assert dict(StepSum.objects.values_list("step", "passed")) == {1: 2, 2: 2, 3: 2, 4: 2}


def test_step_one_is_at_the_start_on_each_customers_clock(begun: None) -> None:
    cast(ada="Europe/Berlin", bo="America/Lima")
    campaign = activated(
        send(1), leave(2), start_date=date(2027, 3, 29), start_time=time(9), clock=Campaign.Clock.CUSTOMER
    )
    work_at(at("2027-03-29 09:00", "Europe/Berlin"))
    assert sent(campaign) == [("ada", 1)]
    work_at(at("2027-03-29 09:00", "America/Lima"))
    assert sent(campaign) == [("ada", 1), ("bo", 1)]


def test_condition_sends_people_different_ways_and_update_is_seen_behind_it(begun: None) -> None:
    AttributeFactory(name="orders", type=Attribute.Type.NUMBER)
    AttributeFactory(name="tier", type=Attribute.Type.TEXT)
    CustomerFactory(email="many@example.com", attributes={"orders": 5})
    CustomerFactory(email="few@example.com", attributes={"orders": 1})
    CustomerFactory(email="none@example.com")
    campaign = activated(
        ask(1, ("attributes.orders", "greater", 3), yes=[update(2, "tier", "gold")]),
        ask(3, ("attributes.tier", "equals", "gold"), yes=[send(4), leave(5)]),
        send(6),
        leave(7),
    )
    work()
    assert sorted(sent(campaign)) == [("few", 6), ("many", 4), ("none", 6)]
    assert Customer.objects.get(email="many@example.com").attributes == {"orders": 5, "tier": "gold"}


def test_opened_since_a_step_is_asked_of_the_mail_of_this_entry(begun: None) -> None:
    people = cast(ada="", bo="", cy="")
    campaign = activated(
        send(1), wait(2, days=1), ask(3, ("mail.opened", "since_step", 1), yes=[leave(4)]), send(5), leave(6)
    )
    work()
    rows = {row.customer_id: row for row in SendLog.objects.filter(campaign=campaign)}
    reacted(rows[people["ada"].pk], Event.Type.OPENED)
    other = SendLog.objects.create(
        workspace=campaign.workspace,
        campaign=campaign,
        step=1,
        enrollment_id=999_999,
        customer=people["bo"],
        sender=campaign.senders.get(),
        email="bo@example.com",
        status="sent",
        due_at=START,
    )
    reacted(other, Event.Type.OPENED)
    reacted(rows[people["cy"].pk], Event.Type.OPENED, Event.Verdict.SCANNER)
    work_at(days(1))
    assert sorted(line for line in sent(campaign) if line[1] == 5) == [("bo", 5), ("cy", 5)]


def test_who_waits_until_something_happens_goes_on_then_or_when_the_time_is_over(begun: None) -> None:
    people = cast(ada="", bo="")
    campaign = activated(
        send(1),
        wait_for(2, ("mail.clicked", "since_step", 1), at_most={"days": 2}, yes=[send(3)], no=[send(4)]),
        leave(5),
    )
    work()
    row = SendLog.objects.get(customer=people["ada"])
    reacted(row, Event.Type.CLICKED)
    work_at(days(0.5))
    assert sent(campaign)[2:] == [("ada", 3)]
    work_at(days(2))
    assert sent(campaign)[3:] == [("bo", 4)]
    campaign.refresh_from_db()
    assert campaign.status == "completed"


def test_split_is_by_weight_and_stable(begun: None) -> None:
    CustomerFactory.create_batch(200)
    flow = make_flow(
        split(1, (3, [update(2, "arm", "a")]), (1, [update(3, "arm", "b")])), leave(4), published=False
    )
    AttributeFactory(name="arm", type=Attribute.Type.TEXT)
    publishing.publish(flow)
    first, second = on_flow(flow), on_flow(flow)
    arms = []
    for campaign in (first, second):
        lifecycle.activate(campaign)
        work()
        arms.append(dict(Customer.objects.values_list("pk", "attributes__arm")))
    assert arms[0] == arms[1]
    assert 130 < Counter(arms[0].values())["a"] < 170


def test_loop_goes_around_with_a_row_for_each_round(begun: None) -> None:
    AttributeFactory(name="done", type=Attribute.Type.BOOLEAN)
    person = cast(ada="")["ada"]
    campaign = activated(
        send(1), wait(2, days=30), ask(3, ("attributes.done", "equals", True), no=[jump(4, 1)]), leave(5)
    )
    for round_ in range(3):
        work_at(days(30 * round_))
    assert sent(campaign) == [("ada", 1)] * 3
    assert list(SendLog.objects.order_by("id").values_list("round", flat=True)) == [1, 2, 3]
    Customer.objects.filter(pk=person.pk).update(attributes={"done": True})
    work_at(days(90))
    assert states(campaign) == {"finished": 1}


def test_who_may_not_be_mailed_has_a_row_with_the_reason_and_leaves(begun: None) -> None:
    people = cast(ada="", bo="", cy="")
    SuppressionFactory(email="bo@example.com", reason="hard_bounce")
    campaign = activated(send(1), wait(2, days=1), send(3), leave(4))
    work()
    suppression.suppress(campaign.workspace, "cy@example.com", Suppression.Reason.MANUAL)
    Customer.objects.filter(pk=people["ada"].pk).delete()
    work_at(days(1))
    rows = {
        (row.email.partition("@")[0], row.step): (row.status, row.reason) for row in SendLog.objects.all()
    }
    assert rows == {
        ("ada", 1): ("sent", ""),
        ("bo", 1): ("suppressed", "hard_bounce"),
        ("cy", 1): ("sent", ""),
        ("cy", 3): ("suppressed", "manual"),
    }
    left = Enrollment.objects.values_list("customer_id", "state", "reason")
    assert set(left) == {
        (people["ada"].pk, "left", "deleted"),
        (people["bo"].pk, "left", "refused"),
        (people["cy"].pk, "left", "refused"),
    }
    campaign.refresh_from_db()
    assert campaign.status == "completed"


def test_mail_past_its_cutoff_is_skipped_and_the_person_goes_on(begun: None) -> None:
    """The workers were away from the second evening until three in the morning."""
    cast(ada="")
    campaign = activated(
        send(1), wait(2, days=1), send(3, cutoff=12 * 60), wait(4, days=1), send(5), leave(6)
    )
    work()
    work_at(days(1.75))
    assert sent(campaign) == [("ada", 1)]
    work_at(days(2.7))
    assert sent(campaign) == [("ada", 1)], "a day from the moment at which the outage ended"
    work_at(days(2.75))
    assert sent(campaign) == [("ada", 1), ("ada", 5)]


def test_mail_that_stays_in_the_ledger_past_its_cutoff_is_not_sent(begun: None) -> None:
    cast(ada="")
    campaign = activated(send(1, cutoff=60), leave(2))
    while flow_mails.run(campaign):
        pass
    assert SendLog.objects.get().status == "queued"
    work_at(START + timedelta(minutes=61))
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("suppressed", "cutoff")
    assert states(campaign) == {"finished": 1}


def test_pause_holds_everyone_where_they_are(begun: None) -> None:
    cast(ada="")
    campaign = activated(send(1), wait(2, days=1), send(3), leave(4))
    work()
    lifecycle.pause(campaign)
    before = list(Enrollment.objects.values())
    work_at(days(5))
    assert list(Enrollment.objects.values()) == before


@pytest.mark.parametrize(
    ("choice", "at_once", "later"),
    [
        (Overdue.SEND, [("ada", 3)], []),
        (Overdue.SHIFT, [], [("ada", 3)]),
        (Overdue.SKIP, [], [("ada", 5)]),
    ],
)
def test_resume_sends_shifts_or_skips_what_is_overdue(
    begun: None, choice: Overdue, at_once: list[tuple[str, int]], later: list[tuple[str, int]]
) -> None:
    """Paused after half a day for five days; the second mail was due after one."""
    cast(ada="")
    campaign = activated(send(1), wait(2, days=1), send(3), wait(4, hours=12), send(5), leave(6))
    work()
    with clock.at(days(0.5)):
        lifecycle.pause(campaign)
    campaign.transitions.filter(action="pause").update(at=days(0.5))
    with clock.at(days(5.5)):
        lifecycle.resume(campaign, overdue=choice)
    work_at(days(5.5))
    assert sent(campaign)[1:] == at_once
    work_at(days(6))
    if choice != Overdue.SEND:
        assert sent(campaign)[1:] == later


def test_simulation_and_a_real_run_agree_row_for_row(begun: None) -> None:
    AttributeFactory(name="orders", type=Attribute.Type.NUMBER)
    for number in range(PEOPLE):
        zone = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", ""][number % 4]
        CustomerFactory(email=f"p{number}@example.com", time_zone=zone, attributes={"orders": number % 7})
    SuppressionFactory(email="p3@example.com")
    flow = make_flow(
        send(1),
        wait(2, days=2, at="10:00"),
        ask(3, ("attributes.orders", "greater", 3), yes=[send(4)], no=[split(5, (1, [send(6)]), (2, []))]),
        wait(7, months=1),
        send(8),
        leave(9),
    )
    plan = simulate(flow, ids(), START)
    campaign = on_flow(flow)
    lifecycle.activate(campaign)
    while moments := list(
        Enrollment.objects.filter(state__in=Enrollment.OPEN).values_list("due_at", flat=True)
    ) or (not Enrollment.objects.exists() and [START]):
        work_at(max(min(moments), START))
    rows = SendLog.objects.filter(campaign=campaign).values_list(
        "customer_id", "step", "status", "reason", "due_at", "sent_at"
    )
    planned = [
        (mail.customer_id, mail.step, mail.status, mail.reason, mail.due_at, mail.at) for mail in plan.mails
    ]
    assert sorted(rows, key=str) == sorted(planned, key=str)
    assert len(planned) > 2 * PEOPLE


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_move_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    CustomerFactory.create_batch(300)
    monkeypatch.setattr(advance, "BATCH", 40)
    AttributeFactory(name="arm", type=Attribute.Type.TEXT)
    campaign = activated(wait(1, minutes=1), update(2, "arm", "x"), send(3), leave(4))
    flow_mails.run(campaign)
    now = timezone.now() + timedelta(minutes=5)
    while advance.advance(campaign, timezone.now(), 1000):
        pass
    moved: list[int] = []

    def move() -> None:
        try:
            while count := advance.advance(campaign, now, 40):
                moved.append(count)
                with clock.at(now):
                    flow_mails.fill(campaign, now)
        finally:
            connection.close()

    threads = [threading.Thread(target=move) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    flow_mails.fill(campaign, now)
    assert sum(moved) == 300
    assert StepSum.objects.get(step=1).passed == 300
    assert SendLog.objects.count() == Progress.objects.get().matched == 300
    assert set(Enrollment.objects.values_list("fence", flat=True)) == {3}
