"""Addresses that bounce softly again and again: when they are suppressed, and when no longer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from audience import consent, suppression
from audience.models import ConsentRecord, Customer, Suppression
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery import feedback, soft_bounces
from delivery.events import Report
from delivery.fill import fill_page
from delivery.models import Event, SendLog
from tests.factories import CampaignFactory, CustomerFactory

pytestmark = pytest.mark.django_db
MakeCampaign = Callable[..., Campaign]
Type = Event.Type
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
# A story is (days after the start, what came back about a mail of its own).
Story = list[tuple[float, str]]
WEEK = [(0.0, "soft"), (2.0, "soft"), (4.0, "soft"), (6.0, "soft"), (7.0, "soft")]


@pytest.fixture
def mails() -> list[SendLog]:
    """Ten mails to one customer, of as many campaigns."""
    CustomerFactory(email="ada@example.com")
    for _ in range(10):
        campaign = CampaignFactory()
        lifecycle.activate(campaign)
        while fill_page(campaign):
            pass
    SendLog.objects.update(status="sent")
    return list(SendLog.objects.order_by("pk"))


def reports(mails: list[SendLog], story: Story) -> list[Report]:
    return [
        report(row, what, START + timedelta(days=days))
        for row, (days, what) in zip(mails, story, strict=False)
    ]


def report(row: SendLog, what: str, at: datetime) -> Report:
    if what in Event.Bounce.values:
        return Report(row.pk, Type.BOUNCED, at, fact=at.isoformat(), bounce=what)
    return Report(row.pk, Type(what), at, fact=at.isoformat())


def listed() -> str:
    return Suppression.objects.values_list("reason", flat=True).first() or ""


STORIES: dict[str, tuple[Story, bool]] = {
    "five in a week": (WEEK, True),
    "five in less than a week": ([*WEEK[:4], (6.99, "soft")], False),
    "four in a month": ([(n * 10.0, "soft") for n in range(4)], False),
    "six in a month": ([(n * 6.0, "soft") for n in range(6)], True),
    "delivered in between": ([*WEEK[:3], (5.0, "delivered"), *WEEK[3:]], False),
    "opened in between": ([*WEEK[:3], (5.0, "opened"), *WEEK[3:]], False),
    "clicked in between": ([*WEEK[:3], (5.0, "clicked"), *WEEK[3:]], False),
    "delivered at the end": ([*WEEK, (8.0, "delivered")], False),
    "delivered long before": ([(-1.0, "delivered"), *WEEK], True),
    "five after one was delivered": ([(-1.0, "soft"), (-0.5, "delivered"), *WEEK], True),
    "deferred in between": ([*WEEK[:3], (5.0, "deferred"), *WEEK[3:]], True),
    "blocked in between": ([*WEEK[:3], (5.0, "block"), *WEEK[3:]], True),
    "blocks only": ([(days, "block") for days, _ in WEEK], False),
}


@pytest.mark.parametrize("name", STORIES)
def test_five_soft_bounces_in_a_row_over_seven_days_suppress(mails: list[SendLog], name: str) -> None:
    story, is_worn_out = STORIES[name]
    for one in reports(mails, story):
        feedback.report_many([one])
    assert listed() == ("soft_bounce" if is_worn_out else "")
    assert Customer.objects.get().subscribed


def test_day_by_day_the_fifth_decides(mails: list[SendLog]) -> None:
    with time_machine.travel(START, tick=False) as clock:
        for row in mails[:5]:
            assert listed() == ""
            feedback.report(row.pk, Type.BOUNCED, bounce="soft")
            clock.shift(timedelta(days=1, hours=18))
        assert listed() == "soft_bounce"


@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_order_in_which_they_come_does_not_matter(mails: list[SendLog], data: st.DataObject) -> None:
    story = data.draw(
        st.lists(
            st.tuples(
                st.integers(0, 12).map(float), st.sampled_from(["soft", "soft", "soft", "delivered", "block"])
            ),
            min_size=5,
            max_size=10,
        )
    )
    told = reports(mails, story)
    ends = set()
    for order in (told, sorted(told, key=lambda r: r.at or START), data.draw(st.permutations(told))):
        size = data.draw(st.integers(1, len(told)))
        for start in range(0, len(order), size):
            feedback.report_many(order[start : start + size])
        ends.add(listed())
        Event.objects.all().delete()
        Suppression.objects.all().delete()
        SendLog.objects.update(outcome="")
    assert len(ends) == 1


def test_several_bounces_of_one_mail_are_one(mails: list[SendLog]) -> None:
    for days, what in WEEK:
        feedback.report_many([report(mails[0], what, START + timedelta(days=days))])
    assert listed() == ""


def test_a_mail_that_was_called_delivered_and_bounced_afterwards_is_no_sign_of_life(
    mails: list[SendLog],
) -> None:
    for row, one in zip(mails, reports(mails, WEEK), strict=False):
        feedback.report(row.pk, Type.DELIVERED, at=(one.at or START) - timedelta(hours=1))
        feedback.report_many([one])
    assert listed() == "soft_bounce"


def test_another_address_of_the_same_customer_starts_anew(mails: list[SendLog]) -> None:
    SendLog.objects.filter(pk__in=[row.pk for row in mails[:3]]).update(email="old@example.com")
    feedback.report_many(reports(mails, WEEK))
    assert listed() == ""


@pytest.mark.parametrize("reason", ["unsubscribe", "manual", "hard_bounce", "complaint"])
def test_every_other_reason_is_stronger_and_outlives_a_sign_of_life(
    mails: list[SendLog], reason: str
) -> None:
    feedback.report_many(reports(mails, WEEK))
    suppression.suppress(mails[0].workspace, mails[0].email, Suppression.Reason(reason))
    assert listed() == reason
    feedback.report(mails[9].pk, Type.OPENED, at=START + timedelta(days=9))
    assert listed() == reason


def test_somebody_who_subscribes_again_stays_suppressed_until_the_address_works(
    mails: list[SendLog],
) -> None:
    feedback.report_many(reports(mails, WEEK))
    consent.subscribe(
        Customer.objects.get(), channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.STAFF
    )
    assert listed() == "soft_bounce"


def test_the_gate_refuses_a_worn_out_address_and_says_why(mails: list[SendLog]) -> None:
    feedback.report_many(reports(mails, WEEK))
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    while fill_page(campaign):
        pass
    row = SendLog.objects.get(campaign=campaign)
    assert (row.status, row.reason) == ("suppressed", "soft_bounce")


def test_a_sign_of_life_that_nobody_had_seen_is_seen_in_the_end(
    mails: list[SendLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process records it after this one has judged, and before it commits."""
    real = soft_bounces.suppress

    def suppress(addresses: set[soft_bounces.Address]) -> None:
        real(addresses)
        if addresses:
            monkeypatch.setattr(soft_bounces, "suppress", real)
            feedback.events.record_reports([report(mails[8], "delivered", START + timedelta(days=8))])

    monkeypatch.setattr(soft_bounces, "suppress", suppress)
    feedback.report_many(reports(mails, WEEK))
    assert listed() == ""


def test_many_addresses_cost_as_much_as_few(active_campaign: MakeCampaign) -> None:
    active_campaign(43)
    rows = list(SendLog.objects.order_by("pk"))

    def queries(part: list[SendLog]) -> int:
        with CaptureQueriesContext(connection) as captured:
            feedback.report_many([report(row, "soft", START) for row in part])
        return len(captured)

    assert queries(rows[:3]) == queries(rows[3:])


def test_orders_of_a_short_story_are_all_the_same(mails: list[SendLog]) -> None:
    told = reports(mails, [(0.0, "soft"), (7.0, "soft"), (8.0, "soft"), (9.0, "soft"), (3.0, "soft")])
    told.append(report(mails[5], "delivered", START + timedelta(days=8, hours=1)))
    for order in itertools.islice(itertools.permutations(told), 0, 720, 90):
        for one in order:
            feedback.report_many([one])
        assert listed() == ""
        Event.objects.all().delete()
        Suppression.objects.all().delete()
