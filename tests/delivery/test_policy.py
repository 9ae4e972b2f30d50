"""The frequency cap and quiet hours of a workspace, held to at the gate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from audience import clock, customer_events
from audience.customer_events import Happening
from audience.models import ContactPolicy
from campaigns.models import Campaign
from delivery.claim import Claim, claim
from delivery.lanes import due_lanes
from delivery.models import SendLog
from delivery.policy import hold
from delivery.simulator import simulate
from tests.factories import CustomerFactory, WorkspaceFactory
from tests.flows import START, at, cast, ids, leave, make_flow, same, send, table, wait, work, work_at

pytestmark = pytest.mark.django_db
MakeCampaign = Callable[..., Campaign]


def policy(**columns: object) -> ContactPolicy:
    made: ContactPolicy = ContactPolicy.objects.create(workspace=WorkspaceFactory(), **columns)
    return made


def row(campaign: Campaign) -> tuple[str, str, datetime]:
    found = SendLog.objects.get(campaign=campaign)
    return found.status, found.reason, found.due_at


def test_mail_beyond_the_cap_is_not_sent_and_says_why(begun: None, active_campaign: MakeCampaign) -> None:
    policy(cap_mails=2, cap_days=7)
    first, second, third = active_campaign(1), active_campaign(0), active_campaign(0)
    work()
    found = sorted(row(campaign)[:2] for campaign in (first, second, third))
    assert found == [("sent", ""), ("sent", ""), ("suppressed", "capped")]
    with clock.at(START + timedelta(days=7)):
        fourth = active_campaign(0)
        work()
    assert row(fourth)[0] == "sent", "those of a week ago are forgotten"


def test_mail_beyond_the_cap_may_be_sent_as_soon_as_there_is_room(
    begun: None, active_campaign: MakeCampaign
) -> None:
    policy(cap_mails=1, cap_days=7, cap_action="move")
    first = active_campaign(1)
    work()
    second = active_campaign(0)
    work()
    assert row(first)[0] == "sent"
    assert row(second) == ("queued", "capped", START + timedelta(days=7))
    work_at(START + timedelta(days=6, hours=23))
    assert row(second)[0] == "queued"
    work_at(START + timedelta(days=7))
    assert row(second)[0] == "sent"


def test_cap_counts_the_mails_of_its_own_workspace_only(begun: None, active_campaign: MakeCampaign) -> None:
    policy(cap_mails=1)
    other = WorkspaceFactory(slug="other")
    CustomerFactory(workspace=other)
    elsewhere = [active_campaign(0, workspace=other) for _ in range(2)]
    work()
    assert [row(campaign)[0] for campaign in elsewhere] == ["sent", "sent"]


def test_mail_that_may_have_left_counts(begun: None, active_campaign: MakeCampaign) -> None:
    policy(cap_mails=1)
    first = active_campaign(1)
    history = [{"at": START.isoformat(), "status": "unknown", "reason": "lost", "error": ""}]
    SendLog.objects.update(status="unknown", history=history)
    second = active_campaign(0)
    work()
    assert row(first)[0] == "unknown"
    assert row(second)[:2] == ("suppressed", "capped")


def test_mail_in_quiet_hours_is_moved_to_their_end_on_each_clock(
    begun: None, active_campaign: MakeCampaign
) -> None:
    policy(quiet_from=time(21), quiet_until=time(8))
    cast(ada="Europe/Berlin", bo="America/Lima")
    campaign = active_campaign(0)
    work()
    found = {line.email[:2]: (line.status, line.reason, line.due_at) for line in SendLog.objects.all()}
    assert found["ad"][0] == "sent"
    assert found["bo"] == ("queued", "quiet_hours", at("2027-03-26 08:00", "America/Lima"))
    work_at(at("2027-03-26 08:00", "America/Lima"))
    assert set(SendLog.objects.filter(campaign=campaign).values_list("status", "reason")) == {("sent", "")}


def test_mail_in_quiet_hours_may_be_skipped(begun: None, active_campaign: MakeCampaign) -> None:
    policy(quiet_from=time(1), quiet_until=time(23), quiet_action="skip")
    campaign = active_campaign(1)
    work()
    assert row(campaign)[:2] == ("suppressed", "quiet_hours")


def test_flow_goes_on_from_where_a_mail_was_moved_to() -> None:
    policy(quiet_from=time(21), quiet_until=time(8), cap_mails=2, cap_days=3)
    flow = make_flow(send(1), wait(2, hours=1), send(3), wait(4, days=1), send(5), leave(6))
    cast(ada="Europe/Berlin", bo="America/Lima")
    plan = simulate(flow, ids(), at("2027-03-26 20:30"))
    same(
        table(plan),
        """
        ada  step 1  Fri 26 Mar 20:30
        bo   step 1  Fri 26 Mar 20:30
        bo   step 3  Fri 26 Mar 21:30
        ada  step 3  Sat 27 Mar 08:00
        bo   step 5  capped
        ada  step 5  capped
        """,
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one sender.")
def test_two_campaigns_at_once_to_one_person_keep_to_the_cap(active_campaign: MakeCampaign) -> None:
    policy(cap_mails=1)
    active_campaign(30)
    active_campaign(0)
    lanes = due_lanes(Campaign.objects.active().select_related("workspace"), timezone.now())
    inside = [threading.Event(), threading.Event()]

    def gate(number: int) -> None:
        def admit(claims: Sequence[Claim]) -> int:
            """Wait for the other to be here too; with the lock it cannot be."""
            inside[number].set()
            inside[1 - number].wait(1)
            return len(claims)

        try:
            claim(lanes[number], lanes[number].providers[0], f"w{number}", 100, admit)
        finally:
            connection.close()

    threads = [threading.Thread(target=gate, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SendLog.objects.filter(status="sending").count() == 30
    assert SendLog.objects.filter(status="suppressed", reason="capped").count() == 30


def test_policy_that_makes_no_sense_is_refused() -> None:
    for columns in ({"quiet_from": time(21)}, {"quiet_from": time(8), "quiet_until": time(8)}):
        with pytest.raises(ValidationError):
            ContactPolicy(workspace=WorkspaceFactory(), **columns).full_clean()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer.")
def test_a_gate_that_counts_for_the_cap_lets_events_be_reported() -> None:
    workspace = WorkspaceFactory()
    ContactPolicy.objects.create(workspace=workspace, cap_mails=1, cap_days=1)
    reported: list[customer_events.Taken] = []

    def report() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            happening = Happening(key="1", name="order_placed", email="ada@example.com", at=timezone.now())
            reported.append(customer_events.ingest(workspace, [happening]))
        finally:
            connection.close()

    with transaction.atomic():
        hold(workspace)
        reporter = threading.Thread(target=report)
        reporter.start()
        reporter.join()
    assert reported
