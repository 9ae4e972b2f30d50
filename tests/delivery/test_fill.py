from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone

from audience.audiences import Audience
from audience.models import Customer, Suppression, Workspace
from campaigns import lifecycle, schedule
from campaigns.models import Campaign, CampaignSender, Sender
from delivery import fill
from delivery.fill import fill_page
from delivery.models import Progress, SendLog
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    SenderFactory,
    SuppressionFactory,
    WorkspaceFactory,
)

MakeCampaign = Callable[..., Campaign]


def fill_all(campaign: Campaign) -> None:
    while fill_page(campaign):
        pass


@pytest.mark.django_db
def test_everyone_who_matches_gets_a_row_and_who_may_not_be_mailed_a_reason() -> None:
    fine = CustomerFactory()
    SuppressionFactory(email=CustomerFactory(email="bounced@example.com").email, reason="hard_bounce")
    CustomerFactory(email="never@example.com", subscribed=False, sms_subscribed=True)
    CustomerFactory(email="ünïcode@example.com", unmailable=True)
    campaign = CampaignFactory(audience=Audience.ALL_SUBSCRIBED)
    lifecycle.activate(campaign)
    fill_all(campaign)
    rows = {row.email: (row.status, row.reason) for row in SendLog.objects.filter(campaign=campaign)}
    assert rows == {
        fine.email: ("queued", ""),
        "bounced@example.com": ("suppressed", "hard_bounce"),
        "never@example.com": ("suppressed", "opted_out"),
        "ünïcode@example.com": ("suppressed", "invalid"),
    }
    progress = Progress.objects.get(campaign=campaign)
    assert (progress.matched, progress.suppressed, progress.remaining) == (4, 3, 1)


@pytest.mark.django_db
def test_nobody_of_another_workspace_is_filled_in() -> None:
    CustomerFactory(workspace=WorkspaceFactory(slug="other"))
    mine = CustomerFactory()
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    fill_all(campaign)
    assert [row.email for row in SendLog.objects.all()] == [mine.email]


@pytest.mark.django_db
def test_suppression_of_another_workspace_keeps_nobody_out() -> None:
    customer = CustomerFactory()
    SuppressionFactory(workspace=WorkspaceFactory(slug="other"), email=customer.email)
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    fill_all(campaign)
    assert SendLog.objects.get().status == "queued"
    assert Suppression.objects.count() == 1


@pytest.mark.django_db
def test_pages_together_are_the_whole_audience(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "PAGE", 4)
    campaign = active_campaign(10)
    assert SendLog.objects.filter(campaign=campaign).count() == 10
    progress = Progress.objects.get(campaign=campaign)
    assert (progress.matched, progress.cursor) == (10, Customer.objects.latest("id").pk)
    assert progress.filled_at is not None


@pytest.mark.django_db
def test_filling_again_from_the_start_writes_nobody_twice(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(5)
    Progress.objects.filter(campaign=campaign).update(cursor=0, filled_at=None)
    fill_all(campaign)
    assert SendLog.objects.filter(campaign=campaign).count() == 5
    assert Progress.objects.get(campaign=campaign).matched == 5


@pytest.mark.django_db(transaction=True)
def test_two_fillers_at_once_write_each_row_once(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "PAGE", 7)
    campaign = active_campaign(60, filled=False)

    def work() -> None:
        for _ in range(40):
            fill_page(campaign)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fill_all(campaign)
    assert SendLog.objects.filter(campaign=campaign).count() == 60
    assert Progress.objects.get(campaign=campaign).matched == 60


@pytest.mark.django_db
def test_paused_campaign_is_not_filled(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2, filled=False)
    lifecycle.pause(campaign)
    assert not fill_page(campaign)
    assert not SendLog.objects.exists()


@pytest.mark.django_db
def test_senders_are_dealt_out_by_weight_across_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "PAGE", 5)
    CustomerFactory.create_batch(30)
    one, two = SenderFactory(), SenderFactory()
    campaign = CampaignFactory(senders=[one, two])
    CampaignSender.objects.filter(sender=two).update(weight=2)
    lifecycle.activate(campaign)
    fill_all(campaign)
    assert Counter(SendLog.objects.values_list("sender_id", flat=True)) == {one.pk: 10, two.pk: 20}


@pytest.mark.django_db
def test_stopped_sender_is_dealt_nobody() -> None:
    CustomerFactory.create_batch(4)
    stopped, ready = SenderFactory(state=Sender.State.STOPPED), SenderFactory()
    campaign = CampaignFactory(senders=[stopped, ready])
    lifecycle.activate(campaign)
    fill_all(campaign)
    assert set(SendLog.objects.values_list("sender_id", flat=True)) == {ready.pk}


@pytest.mark.django_db
def test_row_is_due_on_the_workspaces_clock() -> None:
    CustomerFactory(time_zone="Asia/Tokyo")
    day = (timezone.now() + timedelta(days=9)).date()
    campaign = CampaignFactory(start_date=day, start_time=time(9), workspace__time_zone="UTC")
    lifecycle.activate(campaign)
    fill_all(campaign)
    assert SendLog.objects.get().due_at == datetime.combine(day, time(9), UTC)


@pytest.mark.django_db
def test_row_is_due_on_each_customers_own_clock() -> None:
    CustomerFactory(email="tokyo@example.com", time_zone="Asia/Tokyo")
    CustomerFactory(email="lima@example.com", time_zone="America/Lima")
    CustomerFactory(email="nowhere@example.com", time_zone="")
    day = (timezone.now() + timedelta(days=9)).date()
    campaign = CampaignFactory(start_date=day, start_time=time(9), clock=Campaign.Clock.CUSTOMER)
    lifecycle.activate(campaign)
    fill_all(campaign)
    nine = datetime.combine(day, time(9), UTC)
    assert dict(SendLog.objects.values_list("email", "due_at")) == {
        "tokyo@example.com": nine - timedelta(hours=9),
        "lima@example.com": nine + timedelta(hours=5),
        "nowhere@example.com": nine,
    }


def own_hours() -> None:
    """Two with an hour of their own, and two without."""
    CustomerFactory(email="tokyo@example.com", time_zone="Asia/Tokyo", best_hour=7)
    CustomerFactory(email="lima@example.com", time_zone="America/Lima", best_hour=20)
    CustomerFactory(email="berlin@example.com", time_zone="Europe/Berlin")
    CustomerFactory(email="nowhere@example.com")
    Workspace.objects.update(best_hour=11)


def due() -> dict[str, datetime]:
    return dict(SendLog.objects.values_list("email", "due_at"))


@pytest.mark.django_db
def test_row_is_due_at_each_customers_own_best_hour_within_a_day_of_the_start() -> None:
    own_hours()
    campaign = CampaignFactory(
        start_date=date(2040, 1, 10),
        start_time=time(9),
        clock=Campaign.Clock.BEST,
        workspace__time_zone="UTC",
    )
    lifecycle.activate(campaign)
    fill_all(campaign)
    assert due() == {
        # Seven has gone by on the day of the start.
        "tokyo@example.com": datetime(2040, 1, 11, 7, tzinfo=ZoneInfo("Asia/Tokyo")),
        "lima@example.com": datetime(2040, 1, 10, 20, tzinfo=ZoneInfo("America/Lima")),
        "berlin@example.com": datetime(2040, 1, 10, 11, tzinfo=ZoneInfo("Europe/Berlin")),
        "nowhere@example.com": datetime(2040, 1, 10, 11, tzinfo=UTC),
    }


@pytest.mark.django_db
def test_without_a_start_the_best_hour_is_within_a_day_of_the_activation() -> None:
    own_hours()
    campaign = CampaignFactory(clock=Campaign.Clock.BEST)
    lifecycle.activate(campaign)
    fill_all(campaign)
    zones = {"tokyo": ("Asia/Tokyo", 7), "lima": ("America/Lima", 20), "berlin": ("Europe/Berlin", 11)}
    for name, (zone, hour) in zones.items():
        at = due()[f"{name}@example.com"]
        assert (at.astimezone(ZoneInfo(zone)).hour, at.minute) == (hour, 0)
        assert timedelta(0) <= at - campaign.activated_at <= timedelta(hours=24)


@pytest.mark.django_db
def test_who_moves_while_the_ledger_is_filled_gets_a_row_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    CustomerFactory(time_zone="Asia/Tokyo", best_hour=7)
    monkeypatch.setattr(schedule, "_zones", lambda matched: [])
    campaign = CampaignFactory(start_date=date(2040, 1, 10), clock=Campaign.Clock.BEST)
    Workspace.objects.update(best_hour=11)
    campaign.workspace.refresh_from_db()
    lifecycle.activate(campaign)
    fill_all(campaign)
    assert list(due().values()) == [datetime(2040, 1, 10, 11, tzinfo=UTC)]
