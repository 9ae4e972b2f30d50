"""Totals come from one place, and agree with the ledger and with one another."""

from __future__ import annotations

import pytest

from analytics import roll_up, totals
from analytics.totals import Reason, Scope, Totals
from campaigns.models import Campaign
from delivery.models import Progress, SendLog
from tests.analytics.history import event, mail
from tests.analytics.sample import Sample
from tests.factories import CampaignFactory, SenderFactory

pytestmark = pytest.mark.django_db
Status = SendLog.Status


@pytest.fixture
def campaign() -> Campaign:
    made: Campaign = CampaignFactory(senders=[SenderFactory(), SenderFactory()])
    return made


def counted(campaign: Campaign, **asked: object) -> Totals:
    roll_up.run()
    return totals.of(Scope([campaign.pk], **asked))  # type: ignore[arg-type]


def test_everybody_of_the_audience_is_somewhere(campaign: Campaign) -> None:
    for status in Status.values:
        mail(campaign, status=status, sent_at=None)
    found = counted(campaign)
    assert (found.audience, found.waiting, found.sent) == (7, 2, 1)
    assert found.failed == found.suppressed == found.unknown == found.cancelled == 1


def test_a_mail_that_came_back_was_not_delivered(campaign: Campaign) -> None:
    event(mail(campaign), "bounced", bounce="hard", detail="550 5.1.1 unknown")
    mail(campaign)
    found = counted(campaign)
    assert (found.sent, found.bounced, found.delivered) == (2, 1, 1)


def test_a_mail_that_is_opened_often_is_opened_once(campaign: Campaign) -> None:
    row = mail(campaign)
    for minutes in (5, 50, 500):
        event(row, "opened", verdict="person", minutes=minutes)
    found = counted(campaign)
    assert (found.opened, found.opens) == (1, 3)


def test_machines_are_told_apart_and_never_thrown_away(campaign: Campaign) -> None:
    for verdict in ("person", "apple", "scanner", "proxy", "prefetch"):
        event(mail(campaign), "opened", verdict=verdict)
    assert counted(campaign).opened == 1
    assert counted(campaign, people=False).opened == 5


def test_an_open_without_a_verdict_is_counted_by_somebody_else(campaign: Campaign) -> None:
    """Where our own pixel counts, what the provider reports about it has none."""
    event(mail(campaign), "opened", verdict="")
    assert counted(campaign, people=False).opened == 0


def test_a_verdict_that_changes_moves_the_numbers(campaign: Campaign) -> None:
    found = event(mail(campaign), "clicked", verdict="person", link=1)
    assert counted(campaign).clicked == 1
    found.verdict, found.rejudged_at = "scanner", found.received_at
    found.save(update_fields=["verdict", "rejudged_at"])
    assert counted(campaign).clicked == 0
    assert counted(campaign, people=False).clicked == 1


def test_links_count_people_and_clicks(campaign: Campaign) -> None:
    one, other = mail(campaign), mail(campaign)
    for row, link in ((one, 1), (one, 1), (one, 2), (other, 1)):
        event(row, "clicked", verdict="person", link=link)
    found = counted(campaign)
    links = totals.links(Scope([campaign.pk]))
    assert (found.clicked, found.clicks) == (2, 4)
    assert {n: (link.mails, link.events) for n, link in links.items()} == {1: (2, 3), 2: (1, 1)}


def test_a_step_of_a_flow_has_totals_of_its_own(campaign: Campaign) -> None:
    event(mail(campaign, step=1), "opened", verdict="person")
    mail(campaign, step=2)
    assert counted(campaign, step=1).opened == 1
    assert counted(campaign, step=2).opened == 0
    assert counted(campaign).sent == 2
    assert totals.steps(campaign.pk) == [1, 2]


def test_reasons_name_the_codes_of_the_mail_server(campaign: Campaign) -> None:
    for error in ("550 5.1.1 <a@b.example>: unknown", "550 5.1.1: another", "554-5.7.1 spam", "no code"):
        mail(campaign, status=Status.FAILED, reason="refused", error=error, sent_at=None)
    event(mail(campaign), "bounced", bounce="soft", detail="452 4.2.2 full")
    roll_up.run()
    found = totals.reasons(Scope([campaign.pk]))
    assert found[0] == Reason("failed", "refused", "550 5.1.1", 2, found[0].block)
    assert {reason.code for reason in found} == {"550 5.1.1", "554 5.7.1", "", "soft 452 4.2.2"}


def test_all_views_of_a_campaign_add_up_to_the_same() -> None:
    sample = Sample(people=60)
    campaign = sample.campaign("One", 3)
    roll_up.run()
    for people in (True, False):
        scope = Scope([campaign.pk], people=people)
        whole = totals.of(scope)
        for column in ("mailbox_provider", "sender_id", "step", "campaign"):
            assert sum(totals.by(column, scope).values(), Totals()) == whole, column
        hours = totals.hours(scope)
        assert sum(hour.sent for hour in hours) == whole.sent
        assert sum(hour.opened for hour in hours) == whole.opened
        assert sum(hour.clicked for hour in hours) == whole.clicked
    missing = sum(reason.mails for reason in totals.reasons(scope) if reason.kind != "bounced")
    assert missing == whole.audience - whole.sent


def test_they_agree_with_the_ledger() -> None:
    campaign = Sample(people=60).campaign("One", 3)
    roll_up.run()
    found, sums = totals.of(Scope([campaign.pk])), Progress.objects.get(pk=campaign.pk)
    assert (found.audience, found.sent) == (sums.matched, sums.sent)
    assert found.sent == SendLog.objects.filter(campaign=campaign, status=Status.SENT).count()
