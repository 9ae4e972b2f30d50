"""Old events go, and what they amount to stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from analytics import retention, roll_up
from campaigns.models import Campaign
from delivery.models import Event
from tests.analytics.history import all_counted, event, mail
from tests.analytics.sample import Sample
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    made: Campaign = CampaignFactory()
    return made


def age(days: int) -> None:
    Event.objects.update(received_at=timezone.now() - timedelta(days=days))


def test_reports_stay_as_they_are_also_when_built_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 17)
    Sample(people=60).campaign("One", 3)
    roll_up.run()
    before = all_counted()
    age(100)
    call_command("prune_events", days=30)
    assert not Event.objects.filter(type__in=["opened", "clicked"]).exists()
    assert all_counted() == before
    call_command("rebuild_stats")
    assert all_counted() == before


def test_a_late_click_adds_to_what_was_pruned(campaign: Campaign) -> None:
    row = mail(campaign)
    event(row, "clicked", verdict="person", link=1, minutes=10)
    age(100)
    call_command("prune_events", days=30)
    event(row, "clicked", verdict="person", link=2, minutes=20)
    roll_up.run()
    (mails, events, hours), *_ = all_counted()
    for people in (True, False):
        key = (campaign.pk, 1, "clicked", 0, people, row.sender_id, row.mailbox_provider)
        assert (mails[key], events[key]) == (1, 2)
    assert len(hours) == 2


def test_what_is_younger_few_or_not_yet_acted_upon_stays(campaign: Campaign) -> None:
    for type_ in ("bounced", "complained", "unsubscribed"):
        event(mail(campaign), type_)
    event(mail(campaign), "opened", verdict="person", applied_at=None)
    age(100)
    young = event(mail(campaign), "opened", verdict="person")
    roll_up.run()
    assert retention.prune(timezone.now() - timedelta(days=30)) == 0
    assert Event.objects.count() == 5
    assert Event.objects.filter(pk=young.pk).exists()


def test_what_is_not_counted_yet_is_not_pruned(campaign: Campaign) -> None:
    event(mail(campaign), "opened", verdict="person")
    assert retention.prune(timezone.now() + timedelta(days=1)) == 0


def test_a_verdict_that_changed_just_before_is_kept_as_it_is(campaign: Campaign) -> None:
    found = event(mail(campaign), "opened", verdict="person")
    roll_up.run()
    Event.objects.filter(pk=found.pk).update(verdict="scanner", rejudged_at=timezone.now())
    retention.prune(timezone.now() + timedelta(days=1))
    (mails, *_), *_ = all_counted()
    assert {key[4] for key in mails} == {False}


def test_without_a_number_of_days_everything_is_kept(campaign: Campaign, settings: Settings) -> None:
    settings.EVENT_RETENTION_DAYS = 0
    event(mail(campaign), "opened", verdict="person")
    age(1000)
    call_command("prune_events")
    assert Event.objects.count() == 1


def test_a_number_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(CommandError, match="1 or more"):
        call_command("prune_events", days=-1)
