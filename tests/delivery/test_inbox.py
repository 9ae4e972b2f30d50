"""The inbox of reports: each acted on once, however often, early, late or shuffled it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from audience.models import Customer, Suppression
from campaigns.models import Campaign
from delivery import feedback
from delivery.inbound import inbox, shelf
from delivery.inbound.receivers import Call
from delivery.models import Event, Inbound, Progress, SenderDay, SendLog
from delivery.worker import Worker
from tests.delivery.doubt import in_doubt, in_hand
from tests.delivery.webhooks.mails import sent, take, told, wait_over
from tests.factories import SenderFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
MakeCampaign = Callable[..., Campaign]


# --- Once ---------------------------------------------------------------------------------------------------


def test_a_report_that_comes_three_times_is_kept_and_acted_on_once(active_campaign: MakeCampaign) -> None:
    [row] = sent(active_campaign(1))
    for _ in range(3):
        take(row, "postmark complaint")
    assert Inbound.objects.count() == 1
    assert inbox.process(1) == 1
    take(row, "postmark complaint")
    assert inbox.process(1) == 0
    assert told() == [("complained", "")]
    assert SenderDay.objects.get().complained == 1


def test_a_report_that_comes_again_when_its_body_is_gone_changes_nothing(
    active_campaign: MakeCampaign,
) -> None:
    [row] = sent(active_campaign(1))
    for _ in range(2):
        take(row, "postmark complaint")
        assert inbox.process(1) == 1
        Inbound.objects.all().delete()
    assert told() == [("complained", "")]
    assert SenderDay.objects.get().complained == 1


@pytest.mark.parametrize("name", ["mailgun opened", "resend clicked"])
def test_a_service_that_signs_anew_when_it_repeats_is_recognised(
    active_campaign: MakeCampaign, name: str
) -> None:
    [row] = sent(active_campaign(1))
    for _ in range(2):
        take(row, name)
        inbox.process(1)
    assert len(told()) == 1


def test_two_events_of_a_kind_are_two(active_campaign: MakeCampaign) -> None:
    [row] = sent(active_campaign(1))
    for minute in (1, 2):
        take(row, "postmark open", ReceivedAt=f"2026-03-01T12:0{minute}:00Z")
    inbox.process(1)
    assert told() == [("opened", ""), ("opened", "")]


# Different services for one sender, so that every kind of key is in it.
STORY = (
    "postmark delivery",
    "postmark soft",
    "brevo deferred",
    "mailjet several at once",
    "sparkpost hard",
    "mandrill click",
    "unisender_go had left",
    "postmark complaint",
)


def state() -> tuple[Any, ...]:
    rows = SendLog.objects.order_by("pk").values_list("status", "outcome", "reason")
    sums = SenderDay.objects.values_list("sent", "bounced", "complained")
    reasons = Suppression.objects.order_by("email").values_list("email", "reason")
    subscribed = Customer.objects.order_by("pk").values_list("subscribed", flat=True)
    assert not Event.objects.filter(applied_at=None).exists()
    events = Event.objects.order_by("key").values_list("key", "type", "bounce")
    return tuple(list(found) for found in (rows, reasons, subscribed, events)) + (sums.get(),)


@pytest.fixture
def story(active_campaign: MakeCampaign) -> tuple[list[tuple[SendLog, str]], tuple[Any, ...]]:
    """All reports about two mails, one of them in doubt, and what they amount to when they come in order."""
    campaign = active_campaign(2)
    rows = sent(campaign) + in_doubt(campaign, 1)
    reports = [(row, name) for row in rows for name in STORY]
    before = {model: list(model._base_manager.values()) for model in (SendLog, Progress, SenderDay)}
    for row, name in reports:
        take(row, name)
        inbox.process(1)
    end = state()
    forget(before)
    return reports, end


def forget(before: dict[Any, list[dict[str, Any]]]) -> None:
    for model in (Event, Inbound, Suppression):
        model._base_manager.all().delete()
    Customer.objects.update(subscribed=True)
    SenderDay.objects.all().delete()
    for model, rows in before.items():
        for row in rows:
            model._base_manager.filter(pk=row[model._meta.pk.attname]).update(**row)
    for row in before[SenderDay]:
        SenderDay.objects.create(**row)


@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_and_any_repetition_comes_to_the_same_end(
    story: tuple[list[tuple[SendLog, str]], tuple[Any, ...]], data: st.DataObject
) -> None:
    reports, end = story
    before = {model: list(model._base_manager.values()) for model in (SendLog, Progress, SenderDay)}
    shuffled = data.draw(st.permutations(reports + data.draw(st.lists(st.sampled_from(reports), max_size=8))))
    pauses = data.draw(st.sets(st.integers(0, len(shuffled)), max_size=6))
    for number, (row, name) in enumerate(shuffled):
        take(row, name)
        if number in pauses:
            inbox.process(1)
    inbox.process(1)
    assert state() == end
    forget(before)


# --- Whose mail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", [True, False], ids=["another workspace's", "another sender's"])
@pytest.mark.parametrize("name", ["postmark complaint", "amazon_ses delivery by id", "mailersend hard"])
def test_a_sender_that_is_told_about_anothers_mail_changes_nothing(
    active_campaign: MakeCampaign, name: str, elsewhere: bool
) -> None:
    [row] = sent(active_campaign(1))
    stranger = SenderFactory(workspace=WorkspaceFactory(slug="elsewhere") if elsewhere else row.workspace)
    take(row, name, sender=stranger)
    for _ in range(inbox.LOOKS):
        wait_over()
        inbox.process(1)
    row.refresh_from_db()
    assert (row.outcome, Event.objects.count(), Suppression.objects.count()) == ("", 0, 0)
    inbound = Inbound.objects.get()
    assert (inbound.processed_at is None, inbound.error) == (False, "")


@pytest.mark.parametrize("named", ["0", "-1", "1e3", "x", "9" * 18, "9" * 40, "", None, ["1"], "１２"])
def test_a_row_that_cannot_be_is_nobodys(active_campaign: MakeCampaign, named: Any) -> None:
    [row] = sent(active_campaign(1))
    take(row, "postmark complaint", Metadata={"row": named}, MessageID="unknown")
    inbox.process(1)
    assert not Event.objects.exists()
    assert not Inbound.objects.get().error


def test_a_report_before_the_mail_is_written_down_waits_for_it(active_campaign: MakeCampaign) -> None:
    """Amazon may tell of a mail by its own id alone, and before we have that id."""
    [row] = in_hand(active_campaign(1), 1)
    row.provider_id = "later"
    take(row, "amazon_ses delivery by id")
    inbox.process(1)
    inbound = Inbound.objects.get()
    assert (inbound.processed_at, inbound.error) == (None, "")
    assert inbound.due_at > timezone.now()
    SendLog.objects.update(provider_id="later", status="sent")
    wait_over()
    inbox.process(1)
    assert told() == [("delivered", "")]


def test_a_report_proves_a_mail_that_was_in_doubt(active_campaign: MakeCampaign) -> None:
    [row] = in_doubt(active_campaign(1), 1)
    take(row, "postmark hard")
    inbox.process(1)
    row.refresh_from_db()
    assert (row.status, row.reason, row.outcome) == ("sent", "proven", "bounced")


def test_a_clock_that_is_ahead_moves_nothing_into_the_future(active_campaign: MakeCampaign) -> None:
    [row] = sent(active_campaign(1))
    take(row, "postmark delivery", DeliveredAt="2999-01-01T00:00:00Z")
    inbox.process(1)
    assert Event.objects.get().at <= timezone.now()


# --- What goes wrong ----------------------------------------------------------------------------------------


def test_what_was_kept_outlives_a_process_that_dies_before_it_is_acted_on(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    [row] = sent(active_campaign(1))
    take(row, "postmark complaint")

    def die(reports: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(feedback, "report_many", die)
        inbox.process(1)
    assert inbox.process(1) == 0
    wait_over()
    assert inbox.process(1) == 1
    assert told() == [("complained", "")]


def test_what_was_acted_on_and_not_marked_is_acted_on_once(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    [row] = sent(active_campaign(1))
    take(row, "postmark complaint")
    real = feedback.report_many

    def die_after(reports: Any) -> int:
        real(reports)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(feedback, "report_many", die_after)
        inbox.process(1)
    wait_over()
    inbox.process(1)
    assert SenderDay.objects.get().complained == 1
    assert Inbound.objects.get().processed_at


def test_a_report_that_nobody_can_read_holds_up_no_other_and_is_given_up_at_last(
    active_campaign: MakeCampaign,
) -> None:
    [row] = sent(active_campaign(1))
    inbox.take(row.sender, "postmark", Call({"Content-Type": "application/json"}, b"\xff"))
    take(row)
    inbox.process(1)
    assert told() == [("delivered", "")]
    bad = Inbound.objects.get(processed_at=None)
    for _ in inbox.WAITS:
        assert bad.processed_at is None
        assert bad.due_at > timezone.now()
        wait_over()
        inbox.process(1)
        bad.refresh_from_db()
    assert bad.processed_at
    assert "UnicodeDecodeError" in bad.error
    assert bad.attempts == len(inbox.WAITS) + 1


def test_a_report_that_the_database_refuses_holds_up_no_other(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = sent(active_campaign(2), 2)
    take(good)
    take(bad)
    real = feedback.report_many

    def refuse(reports: Any) -> int:
        if any(report.about == bad.pk for report in reports):
            raise DataError("value too long")
        return real(reports)

    monkeypatch.setattr(feedback, "report_many", refuse)
    inbox.process(1)
    assert Event.objects.get().sendlog_id == good.pk
    assert "value too long" in Inbound.objects.get(processed_at=None).error


def test_old_reports_are_removed_but_the_newest_of_each_sender_and_what_waits(
    active_campaign: MakeCampaign, settings: Settings
) -> None:
    [row] = sent(active_campaign(1))
    names = ("postmark delivery", "postmark open", "postmark click", "postmark soft")
    for name in names:
        take(row, name)
    inbox.process(1)
    oldest, waiting, *_ = Inbound.objects.order_by("pk")
    old = timezone.now() - timedelta(days=settings.REPORTS_KEEP_DAYS, seconds=5)
    Inbound.objects.filter(pk__in=[oldest.pk, waiting.pk]).update(received_at=old)
    Inbound.objects.filter(pk=waiting.pk).update(processed_at=None)
    assert shelf.prune() == 1
    Inbound.objects.update(received_at=old, processed_at=timezone.now())
    assert shelf.prune() == 2
    assert shelf.prune() == 0
    assert Inbound.objects.get().digest


# --- Many ---------------------------------------------------------------------------------------------------


def queries(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


@pytest.mark.parametrize("name", ["postmark delivery", "amazon_ses delivery by id", "postmark hard"])
def test_a_hundred_reports_cost_as_much_as_three(active_campaign: MakeCampaign, name: str) -> None:
    rows = sent(active_campaign(28), 28)
    for row in rows[:3]:
        take(row, name, ID=row.pk) if "postmark" in name else take(row, name)
    few = queries(lambda: inbox.process(1))
    for row in rows[3:]:
        take(row, name, ID=row.pk) if "postmark" in name else take(row, name)
    many = queries(lambda: inbox.process(1))
    assert Event.objects.count() == 28
    assert many == few


@pytest.mark.parametrize("is_on", [True, False], ids=["sending", "switched off"])
def test_a_worker_acts_on_reports_also_while_sending_is_switched_off(
    active_campaign: MakeCampaign, settings: Settings, is_on: bool
) -> None:
    settings.ENABLE_EMAIL_SCHEDULER = is_on
    [row] = sent(active_campaign(1))
    take(row)
    with Worker() as worker:
        worker.run_until_idle()
    assert told() == [("delivered", "")]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one worker.")
@pytest.mark.django_db(transaction=True)
def test_several_processes_at_once_act_on_each_report_once(active_campaign: MakeCampaign) -> None:
    rows = sent(active_campaign(60), 60)
    for row in rows:
        for name in ("postmark delivery", "postmark hard", "postmark complaint"):
            take(row, name)
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        while inbox.process(5):
            pass
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Event.objects.filter(applied_at__isnull=False).count() == 180
    assert SenderDay.objects.get().complained == 60
    assert set(Suppression.objects.values_list("reason", flat=True)) == {"complaint"}
    assert not Inbound.objects.filter(processed_at=None).exists()
