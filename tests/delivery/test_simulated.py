"""Made-up reactions: plausible, the same each time, marked as such, and without consequences for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from audience.models import Customer, Suppression
from campaigns.models import Campaign
from delivery import simulated, verdicts, why
from delivery.models import Event, SenderDay, SendLog
from tests.factories import CustomerFactory, TemplateFactory

MakeCampaign = Callable[..., Campaign]
DOMAINS = ("gmail.example", "outlook.example", "yahoo.example", "example.com")
BODY = "".join(f'<a href="https://s.example/{n}">{n}</a>' for n in range(4))


@pytest.fixture
def campaign(active_campaign: MakeCampaign) -> Campaign:
    for n in range(800):
        CustomerFactory(email=f"c{n}@{DOMAINS[n % 4]}")
    campaign = active_campaign(0, template=TemplateFactory(body=BODY))
    SendLog.objects.update(status="sent", sent_at=timezone.now())
    return campaign


def told() -> list[Any]:
    return list(
        Event.objects.order_by("pk").values_list("customer_id", "type", "link", "verdict", "user_agent")
    )


def test_reactions_are_of_all_kinds_and_from_the_days_before(campaign: Campaign) -> None:
    assert simulated.react(campaign) == Event.objects.count() > 1000
    assert set(Event.objects.values_list("source", flat=True)) == {"simulated"}
    kinds = set(Event.objects.values_list("type", flat=True))
    assert {"delivered", "deferred", "bounced", "opened", "clicked"} <= kinds
    found = set(Event.objects.filter(type__in=verdicts.JUDGED).values_list("verdict", flat=True))
    assert found == {"person", "apple", "proxy", "scanner"}
    assert set(Event.objects.filter(type="clicked", verdict="person").values_list("link", flat=True)) <= {
        1,
        2,
        3,
        4,
    }
    now = timezone.now()
    moments = list(Event.objects.values_list("at", flat=True))
    assert now - timedelta(days=3, hours=1) < min(moments) and max(moments) < now
    assert len({at.astimezone(campaign.workspace.zone).hour for at in moments}) > 12


def test_they_agree_with_the_ledger_and_keep_nobody_from_being_mailed(campaign: Campaign) -> None:
    simulated.react(campaign)
    for outcome in ("delivered", "bounced"):
        rows = set(Event.objects.filter(type=outcome).values_list("sendlog_id", flat=True))
        complained = set(SendLog.objects.filter(outcome="complained").values_list("pk", flat=True))
        assert rows - complained == set(SendLog.objects.filter(outcome=outcome).values_list("pk", flat=True))
    assert not Suppression.objects.exists()
    assert not Customer.objects.filter(subscribed=False).exists()
    assert not Event.objects.filter(applied_at=None).exists()
    assert sum(verdicts.rejudge()) == 0


def test_they_are_made_once(campaign: Campaign) -> None:
    assert simulated.react(campaign) > 0
    before = told()
    assert simulated.react(campaign) == 0
    assert told() == before


def test_the_history_and_the_timeline_say_that_they_are_made_up(campaign: Campaign) -> None:
    sent = SendLog.objects.first().sent_at
    simulated.react(campaign)
    assert "made up" in campaign.transitions.last().reason
    assert SendLog.objects.order_by("-id").last().sent_at == sent - timedelta(days=3)
    row = Event.objects.filter(type="opened").first().sendlog
    assert any("Made up for the sample" in moment.what for moment in why.explain(row).moments)


def test_the_same_seed_makes_the_same(campaign: Campaign) -> None:
    now = timezone.now()
    rows = list(SendLog.objects.order_by("customer_id"))
    stories = []
    for seed in (1, 1, 2):
        crowd = simulated._Crowd(campaign, Random(seed), now)  # noqa: S311
        stories.append([(e.type, e.at, e.link, e.user_agent) for e in crowd.reactions(rows)])
    assert stories[0] == stories[1] != stories[2]


def test_campaigns_before_it_are_made_up_once_and_say_so(campaign: Campaign) -> None:
    campaign.status = Campaign.Status.COMPLETED
    campaign.save(update_fields=["status"])
    assert simulated.go_before(campaign) == len(simulated.EARLIER)
    assert simulated.go_before(campaign) == 0
    earlier = Campaign.objects.exclude(pk=campaign.pk)
    assert {made.result for made in earlier} == {simulated.MADE_UP}
    for made in earlier:
        assert simulated.MADE_UP in made.transitions.values_list("reason", flat=True)
        rows = SendLog.objects.filter(campaign=made)
        assert rows.count() == SendLog.objects.filter(campaign=campaign).count()
        assert not rows.filter(sent_at__gt=timezone.now() - timedelta(days=9)).exists()
        assert Event.objects.filter(sendlog__campaign=made).count() > 1000
    assert not Event.objects.filter(sendlog__campaign=campaign).exists()


def test_days_of_senders_follow_the_mails_that_were_moved_back(campaign: Campaign) -> None:
    [sender] = campaign.senders.all()
    SenderDay.objects.create(sender=sender, day=datetime.now(UTC).date(), sent=800)
    simulated.react(campaign)
    simulated.go_before(campaign)
    sent = Counter(row.sent_at.astimezone(UTC).date() for row in SendLog.objects.filter(status="sent"))
    assert len(sent) == 1 + len(simulated.EARLIER)
    counted = SenderDay.objects.filter(sender=sender).exclude(sent=0)
    assert dict(counted.values_list("day", "sent")) == sent
