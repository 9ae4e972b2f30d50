"""The pipeline from end to end, through a real SMTP conversation into the local mailbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from audience import consent, imports
from audience.models import ConsentRecord, Customer
from campaigns import lifecycle
from campaigns.models import Campaign, Sender, SenderLimit
from delivery import fill, handover, sql
from delivery import worker as worker_module
from delivery.mailbox.store import MailboxStore
from delivery.models import Circuit, Progress, SenderDay, SendLog
from delivery.transports.base import Answer, Leaving, Mail, Verdict
from delivery.worker import AnotherSender, Worker
from tests.factories import (
    AttributeFactory,
    CampaignFactory,
    CustomerFactory,
    SegmentFactory,
    SenderFactory,
    WorkspaceFactory,
)

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db(transaction=True)


DEAD_PORT = 9  # "discard": nothing listens there


def run() -> Worker:
    with Worker() as worker:
        worker.run_until_idle()
    return worker


class Greylisting:
    """A transport whose provider takes no mail at first, and never a second time either."""

    def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
        for mail in mails:
            leaving(mail.row_id)
            yield Answer(mail.row_id, Verdict.NOT_SENT, error="451 later")

    def close(self) -> None:
        pass


def status_of(campaign: Campaign) -> tuple[str, str]:
    campaign.refresh_from_db()
    return campaign.status, campaign.result


def test_everyone_gets_one_mail_and_the_campaign_completes(
    active_campaign: MakeCampaign, mailbox: MailboxStore, settings: Settings
) -> None:
    settings.SEND_BATCH_SIZE = 7
    campaign = active_campaign(20, filled=False)
    worker = run()
    assert worker.counts == {"sent": 20}
    assert list(mailbox.recipients(campaign.pk)) == sorted(Customer.objects.values_list("email", flat=True))
    assert (mailbox.count(campaign.pk), mailbox.duplicates(campaign.pk)) == (20, 0)
    assert status_of(campaign) == ("completed", "20 of 20 sent")


def test_running_again_sends_nothing_more(active_campaign: MakeCampaign, mailbox: MailboxStore) -> None:
    active_campaign(3)
    run()
    assert run().counts == {}
    assert mailbox.count() == 3


def test_nobody_matching_completes_and_says_so(mailbox: MailboxStore) -> None:
    campaign = CampaignFactory(
        segment=SegmentFactory(criteria={"all": [{"field": "language", "operator": "equals", "value": "xx"}]})
    )
    lifecycle.activate(campaign)
    run()
    assert status_of(campaign) == ("completed", "Nobody matched the audience: nothing was sent.")
    assert mailbox.count() == 0


def test_everyone_refused_completes_and_says_so(active_campaign: MakeCampaign, mailbox: MailboxStore) -> None:
    campaign = active_campaign(2)
    for customer in Customer.objects.all():
        consent.unsubscribe(customer, channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.STAFF)
    run()
    assert status_of(campaign) == (
        "completed",
        "Nothing was sent: all 2 who matched are suppressed or have not opted in.",
    )


def test_campaign_whose_every_send_fails_is_failed(
    active_campaign: MakeCampaign, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "transport_for", lambda sender: Greylisting())
    settings.SEND_RETRY_SECONDS = 0
    campaign = active_campaign(5)
    run()
    assert status_of(campaign) == ("failed", "All e-mail sends failed")
    assert set(SendLog.objects.values_list("status", "reason", "attempts")) == {("failed", "exhausted", 3)}
    assert Progress.objects.get().failed == 5


def test_recipient_whose_mail_cannot_be_rendered_fails_alone(
    active_campaign: MakeCampaign, mailbox: MailboxStore
) -> None:
    loop = "{% for i in (1..customer.orders) %}{% for j in (1..1000) %}.{% endfor %}{% endfor %}"
    campaign = active_campaign(3, template__body=f"<p>{loop}</p>", filled=False)
    poisoned = Customer.objects.earliest("id")
    Customer.objects.filter(pk=poisoned.pk).update(attributes={"orders": 100_000})
    run()
    assert status_of(campaign) == ("completed", "2 of 3 sent")
    row = SendLog.objects.get(customer_id=poisoned.pk)
    assert (row.status, row.reason) == ("failed", "render")
    assert row.error


def test_stopped_sender_pauses_the_campaign_and_burns_nobody(active_campaign: MakeCampaign) -> None:
    unreadable = SenderFactory(transport=Sender.Transport.SMTP, host="127.0.0.1", username="me")
    Sender.objects.filter(pk=unreadable.pk).update(sealed_password="written with another key")
    campaign = active_campaign(3, senders=[unreadable])
    run()
    status, result = status_of(campaign)
    assert status == "paused"
    assert "CREDENTIAL_KEYS" in result
    assert set(SendLog.objects.values_list("status", "attempts")) == {("queued", 0)}
    unreadable.refresh_from_db()
    assert (unreadable.state, "CREDENTIAL_KEYS" in unreadable.last_error) == ("stopped", True)


def test_recipients_of_a_stopped_sender_move_to_another(
    active_campaign: MakeCampaign, mailbox: MailboxStore
) -> None:
    unreadable = SenderFactory(transport=Sender.Transport.SMTP, host="127.0.0.1", username="me")
    Sender.objects.filter(pk=unreadable.pk).update(sealed_password="written with another key")
    campaign = active_campaign(6, senders=[unreadable, SenderFactory()])
    run()
    assert status_of(campaign) == ("completed", "6 of 6 sent")
    assert mailbox.count(campaign.pk) == 6


def test_scheduled_campaign_sends_nothing_before_its_start(mailbox: MailboxStore) -> None:
    CustomerFactory()
    campaign = CampaignFactory(start_date=(timezone.now() + timedelta(days=3)).date())
    lifecycle.activate(campaign)
    run()
    assert status_of(campaign) == ("active", "")
    assert not SendLog.objects.exists()


def test_switched_off_scheduler_sends_nothing(
    active_campaign: MakeCampaign,
    mailbox: MailboxStore,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.ENABLE_EMAIL_SCHEDULER = False
    active_campaign(2)
    assert run().counts == {}
    call_command("send_due")
    assert "switched off" in capsys.readouterr().out
    assert mailbox.count() == 0


def test_resumed_campaign_goes_on_with_exactly_the_rest(
    active_campaign: MakeCampaign,
    mailbox: MailboxStore,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.SEND_BATCH_SIZE = 4
    monkeypatch.setattr(worker_module, "TURN_SECONDS", 0)
    monkeypatch.setattr(worker_module, "LONE_TURN_SECONDS", 0)
    campaign = active_campaign(10)
    with Worker() as worker:
        worker.run_once()
        lifecycle.pause(campaign)
        assert not worker.run_once()
        assert mailbox.count() == 4
        lifecycle.resume(campaign)
        worker.run_until_idle()
    assert (mailbox.count(), mailbox.duplicates(campaign.pk)) == (10, 0)
    assert status_of(campaign) == ("completed", "10 of 10 sent")


def test_small_campaign_does_not_wait_for_a_large_one(
    active_campaign: MakeCampaign,
    mailbox: MailboxStore,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.SEND_BATCH_SIZE = 5
    monkeypatch.setattr(worker_module, "TURN_SECONDS", 0)
    monkeypatch.setattr(worker_module, "LONE_TURN_SECONDS", 0)
    active_campaign(30)
    small = CampaignFactory()
    lifecycle.activate(small)
    with Worker() as worker:
        worker.run_once()
        worker.run_once()
    assert SendLog.objects.filter(campaign=small, status="sent").exists()


def test_second_sender_on_sqlite_is_refused() -> None:
    with Worker():
        if sql.is_postgresql():
            with Worker():
                pass
        else:
            with pytest.raises(AnotherSender, match="use PostgreSQL"), Worker():
                pass
            with pytest.raises(CommandError, match="Another process is sending"):
                call_command("send_due")


def test_send_due_reports_what_it_did(
    active_campaign: MakeCampaign, mailbox: MailboxStore, capsys: pytest.CaptureFixture[str]
) -> None:
    active_campaign(2)
    call_command("send_due")
    assert capsys.readouterr().out == "send_due: 2 sent\n"
    call_command("send_due")
    assert capsys.readouterr().out == "send_due: nothing was due\n"


def test_dry_run_says_what_would_go_out_and_sends_nothing(
    active_campaign: MakeCampaign, mailbox: MailboxStore, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = active_campaign(3, filled=False)
    Customer.objects.filter(pk=Customer.objects.earliest("id").pk).update(unmailable=True)
    call_command("send_due", "--dry-run")
    assert capsys.readouterr().out == f"{campaign}: 2 mails would go out now, 1 people would be refused\n"
    assert mailbox.count() == 0
    assert not SendLog.objects.exists()


def test_worker_takes_in_a_waiting_import(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\nada@example.com\n")
    waiting = imports.create(WorkspaceFactory(), file, name="people.csv")
    run()
    waiting.refresh_from_db()
    assert (waiting.status, Customer.objects.get().email) == ("completed", "ada@example.com")


def test_campaign_whose_segment_broke_fails_and_holds_up_no_other(mailbox: MailboxStore) -> None:
    CustomerFactory(attributes={"orders": 3})
    attribute = AttributeFactory(name="orders")
    rule = {"field": "attributes.orders", "operator": "greater", "value": 1}
    broken = CampaignFactory(segment=SegmentFactory(criteria={"all": [rule]}))
    fine = CampaignFactory()
    for campaign in (broken, fine):
        lifecycle.activate(campaign)
    attribute.delete()
    run()
    assert status_of(fine) == ("completed", "1 of 1 sent")
    status, result = status_of(broken)
    assert status == "failed"
    assert "attributes.orders" in result


def test_sender_that_waits_for_its_limit_does_not_hold_up_another(
    active_campaign: MakeCampaign, mailbox: MailboxStore
) -> None:
    slow, free = SenderFactory(), SenderFactory()
    SenderLimit.objects.create(sender=slow, mails=2, period=SenderLimit.Period.DAY)
    campaign = active_campaign(20, senders=[slow, free])
    run()
    sent = SendLog.objects.filter(status="sent")
    assert sent.filter(sender=free).count() == 10
    assert sent.filter(sender=slow).count() == 2
    assert status_of(campaign) == ("active", "")
    assert set(SendLog.objects.filter(status="queued").values_list("attempts", flat=True)) == {0}


def test_limit_for_one_mailbox_provider_lets_the_others_through(
    active_campaign: MakeCampaign, mailbox: MailboxStore
) -> None:
    sender = SenderFactory()
    day = SenderLimit.Period.DAY
    SenderLimit.objects.create(sender=sender, mails=1, period=day, mailbox_provider="google")
    for n in range(3):
        CustomerFactory(email=f"a{n}@gmail.com")
    active_campaign(5, senders=[sender])
    run()
    sent = SendLog.objects.filter(status="sent")
    assert sent.filter(mailbox_provider="google").count() == 1
    assert sent.filter(mailbox_provider="other").count() == 5


def test_limiter_that_is_away_stops_limited_senders_only(
    active_campaign: MakeCampaign, mailbox: MailboxStore, settings: Settings
) -> None:
    settings.RATE_LIMIT_STORAGE = f"redis://127.0.0.1:{DEAD_PORT}/0"
    limited, free = SenderFactory(), SenderFactory()
    SenderLimit.objects.create(sender=limited, mails=1000, period=SenderLimit.Period.DAY)
    active_campaign(10, senders=[limited, free])
    run()
    assert set(SendLog.objects.values_list("sender", "status")) == {
        (limited.pk, "queued"),
        (free.pk, "sent"),
    }


def test_day_of_a_sender_is_counted_with_its_mails(
    active_campaign: MakeCampaign, mailbox: MailboxStore
) -> None:
    active_campaign(4)
    run()
    assert [day.sent for day in SenderDay.objects.all()] == [4]


def test_worker_with_nothing_to_do_asks_the_database_little(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    with Worker() as worker:
        worker.run_once()
        # Imports, reports, sign-ups, campaigns.
        with django_assert_max_num_queries(4):
            assert not worker.run_once()


def test_worker_calls_for_others_before_it_hands_mail_over_and_not_with_every_turn(
    active_campaign: MakeCampaign, mailbox: MailboxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "TURN_SECONDS", 0)
    monkeypatch.setattr(worker_module, "LONE_TURN_SECONDS", 0)
    monkeypatch.setattr(handover, "FIRST_PORTION", 2)
    active_campaign(10)
    sent: list[int] = []
    with Worker(on_work=lambda: sent.append(mailbox.count())) as worker:
        worker.run_until_idle()
        worker.run_until_idle()
    assert sent == [0]


def test_worker_calls_for_others_while_it_fills(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "PAGE", 4)
    active_campaign(10, filled=False)
    filled: list[int] = []
    with Worker(on_work=lambda: filled.append(SendLog.objects.count())) as worker:
        worker.run_until_idle()
    assert filled == [4]


def test_worker_without_mail_to_hand_over_calls_nobody(active_campaign: MakeCampaign) -> None:
    active_campaign(0)
    with Worker(on_work=lambda: pytest.fail("called")) as worker:
        worker.run_until_idle()


def test_sender_can_be_used_again_after_its_server_was_away(
    active_campaign: MakeCampaign, mailbox: MailboxStore, settings: Settings
) -> None:
    port, settings.MAILBOX_PORT = settings.MAILBOX_PORT, DEAD_PORT
    campaign = active_campaign(5)
    run()
    assert Circuit.objects.get().failures == 1
    assert set(SendLog.objects.values_list("status", "attempts")) == {("queued", 0)}
    settings.MAILBOX_PORT = port
    Circuit.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    run()
    assert status_of(campaign) == ("completed", "5 of 5 sent")
    assert not Circuit.objects.exists()
