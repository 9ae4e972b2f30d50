"""Blocks of the ledger: counted once their rows have ended, and again while they move."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from analytics import ledger_sums, roll_up, totals
from analytics.models import LedgerCount, LedgerSum
from analytics.totals import Scope
from campaigns.models import Campaign
from delivery.models import Progress, SendLog
from tests.analytics.history import mail
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db
Status = SendLog.Status


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setattr(ledger_sums, "BLOCK", 3)
    monkeypatch.setattr(ledger_sums, "REST", 0)
    made: Campaign = CampaignFactory()
    Progress.objects.create(campaign=made)
    return made


def move(row: SendLog, to: str) -> None:
    """As the pipeline moves a row: the campaign's sums move in the same transaction."""
    with transaction.atomic():
        SendLog.objects.filter(pk=row.pk).update(status=to)
        Progress.objects.filter(pk=row.campaign_id).update(sent=F("sent") + 1)


def blocks_counted() -> list[int]:
    with CaptureQueriesContext(connection) as queries:
        roll_up.run()
    deleted = [
        query["sql"] for query in queries if query["sql"].startswith("DELETE FROM analytics_ledgersum")
    ]
    return [int(statement.rpartition("=")[2]) for statement in deleted]


def test_what_has_ended_is_counted_once(campaign: Campaign) -> None:
    rows = [mail(campaign) for _ in range(7)]
    assert blocks_counted() == sorted({row.pk // 3 for row in rows})
    assert blocks_counted() == []


def test_what_moves_is_counted_again(campaign: Campaign) -> None:
    rows = [mail(campaign) for _ in range(7)]
    moving = mail(campaign, status=Status.QUEUED, sent_at=None)
    roll_up.run()
    roll_up.run()
    move(moving, Status.SENT)
    assert blocks_counted() == [moving.pk // 3]
    assert totals.of(Scope([campaign.pk])).sent == len(rows) + 1


def test_what_waits_and_does_not_move_is_left_alone(campaign: Campaign) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite does not say which rows have moved; its ledgers are small.")
    mail(campaign, status=Status.QUEUED, sent_at=None)
    roll_up.run()
    roll_up.run()
    assert blocks_counted() == []


def test_a_large_campaign_on_its_way_is_counted_less_often(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Only large ledgers take long.")
    row = mail(campaign, status=Status.QUEUED, sent_at=None)
    roll_up.run()
    roll_up.run()
    monkeypatch.setattr(ledger_sums, "REST", 20)
    LedgerCount.objects.update(took=60)
    move(row, Status.SENT)
    assert blocks_counted() == []
    LedgerCount.objects.update(took=0)
    assert blocks_counted() == [row.pk // 3]


def test_mails_that_wait_belong_to_no_sender_yet(campaign: Campaign) -> None:
    mail(campaign, status=Status.SENDING, sent_at=None)
    roll_up.run()
    found = LedgerSum.objects.get()
    assert (found.status, found.sender_id, found.mailbox_provider) == ("waiting", 0, "")
