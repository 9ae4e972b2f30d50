"""The audience: growth from consents, activity from reactions, complaints by sender domain."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from analytics import audience_report, audience_sums, horizon, roll_up, state, totals
from analytics.models import AudienceCount, AudienceDay
from analytics.totals import Scope
from audience import consent
from audience.models import ConsentRecord, Customer
from campaigns.models import Campaign
from delivery.models import SenderDay
from tests.analytics.history import event, mail
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
EMAIL = ConsentRecord.Channel.EMAIL
STAFF = ConsentRecord.Source.STAFF


def customer(**columns: object) -> Customer:
    made: Customer = CustomerFactory(subscribed=False, **columns)
    return made


def test_growth_is_counted_back_from_todays_number() -> None:
    people = [customer() for _ in range(3)]
    for person in people:
        consent.subscribe(person, channel=EMAIL, source=STAFF)
    ConsentRecord.objects.filter(customer=people[0]).update(at=timezone.now() - timedelta(days=2))
    consent.unsubscribe(people[2], channel=EMAIL, source=STAFF)
    roll_up.run()
    workspaces = [people[0].workspace]
    days = audience_report.growth(workspaces, 3, audience_report.size(workspaces))
    assert [(day.opted_in, day.opted_out, day.subscribed) for day in days] == [
        (1, 0, 1),
        (0, 0, 1),
        (2, 1, 2),
    ]


def test_each_consent_is_counted_once_and_again_when_built_anew() -> None:
    person = customer()
    consent.subscribe(person, channel=EMAIL, source=STAFF)
    for count in (roll_up.run, roll_up.run, roll_up.rebuild):
        count()
        assert AudienceDay.objects.get().opted_in == 1
    assert state.current().consent_id == ConsentRecord.objects.get().pk


def test_consents_wait_until_all_before_them_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    consent.subscribe(customer(), channel=EMAIL, source=STAFF)
    seen = horizon.look()
    unsettled = horizon.Horizon(seen.ids, seen.at, frozenset({ConsentRecord}))
    audience_sums.count(unsettled)
    assert not AudienceDay.objects.exists()
    audience_sums.count(seen)
    assert AudienceDay.objects.get().opted_in == 1


def test_consents_to_sms_are_another_matter() -> None:
    consent.subscribe(customer(), channel=ConsentRecord.Channel.SMS, source=STAFF)
    roll_up.run()
    assert not AudienceDay.objects.exists()


def test_who_opened_lately_is_active_and_machines_are_not() -> None:
    campaign: Campaign = CampaignFactory()
    recent, long_ago, machine = mail(campaign), mail(campaign), mail(campaign)
    for row, verdict, days in ((recent, "person", 3), (recent, "person", 4), (long_ago, "person", 60)):
        found = event(row, "opened", verdict=verdict)
        found.at = timezone.now() - timedelta(days=days)
        found.save(update_fields=["at"])
    event(machine, "opened", verdict="apple", minutes=0)
    roll_up.run()
    found = AudienceCount.objects.get(workspace=campaign.workspace)
    assert (found.customers, found.active_30, found.active_90) == (3, 1, 2)


def test_an_audience_is_counted_once_an_hour() -> None:
    customer()
    roll_up.run()
    customer()
    roll_up.run()
    assert AudienceCount.objects.get().customers == 1
    AudienceCount.objects.update(at=timezone.now() - timedelta(hours=2))
    roll_up.run()
    assert AudienceCount.objects.get().customers == 2


def test_workspaces_are_summed_up_only_together() -> None:
    one, other = customer(), customer(workspace=WorkspaceFactory(slug="other"))
    roll_up.run()
    assert audience_report.size([one.workspace]).customers == 1
    assert audience_report.size([one.workspace, other.workspace]).customers == 2
    assert audience_report.size([]) is None


def test_complaints_are_told_by_sender_domain_and_agree_with_the_campaign() -> None:
    senders = [
        SenderFactory(from_email="news@one.example"),
        SenderFactory(from_email="shop@ONE.example"),
        SenderFactory(from_email="news@two.example"),
    ]
    campaign: Campaign = CampaignFactory(senders=senders)
    for sender in senders:
        SenderDay.objects.create(sender=sender, day=timezone.now().date(), sent=500)
        found = event(mail(campaign, sender=sender), "complained")
        found.at = timezone.now()
        found.save(update_fields=["at"])
    roll_up.run()
    one, two = audience_report.complaints(senders, 30)
    assert (one.name, sum(one.sent), sum(one.complained)) == ("one.example", 1000, 2)
    assert (one.rate(), two.rate(7)) == (0.002, 0.002)
    assert one.rates[-1] == 0.002
    assert one.rates[0] is None
    assert sum(sum(domain.complained) for domain in (one, two)) == totals.of(Scope([campaign.pk])).complained
