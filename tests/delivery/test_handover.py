"""One lane's turn: what its rows become, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from audience.models import Customer
from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery import handover, sweep
from delivery.claim import Passed
from delivery.message import Builder, Recipient
from delivery.models import Circuit, Progress, SendLog
from delivery.settle import Settlement
from delivery.transports.base import Answer, Leaving, Mail, Verdict
from delivery.worker import Worker

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db(transaction=True)


class Provider:
    """A transport that gives each mail the next of its answers, the last one for ever."""

    def __init__(self, *answers: Verdict, retry_after: float | None = None) -> None:
        self.answers = list(answers)
        self.retry_after = retry_after
        self.left: list[int] = []

    def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
        for mail in mails:
            verdict = self.answers[min(len(self.left), len(self.answers) - 1)]
            leaving(mail.row_id)
            self.left.append(mail.row_id)
            yield Answer(mail.row_id, verdict, "A1", retry_after=self.retry_after)
            if verdict in (Verdict.UNAVAILABLE, Verdict.SENDER):
                return

    def close(self) -> None:
        pass


class Dying(Provider):
    """A transport in whose hands the process dies while the second mail is on the wire."""

    def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
        first = next(mails)
        leaving(first.row_id)
        self.left.append(first.row_id)
        # Committed before the network is touched.
        assert set(SendLog.objects.values_list("status", "attempts")) == {("sending", 1)}
        yield Answer(first.row_id, Verdict.ACCEPTED, "A1")
        second = next(mails)
        leaving(second.row_id)
        self.left.append(second.row_id)
        raise SystemExit


@pytest.fixture
def hand_over_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[Provider], Worker]:
    """Let a worker run until nothing is due, all mails in the hands of this provider."""

    def run(provider: Provider) -> Worker:
        monkeypatch.setattr(handover, "transport_for", lambda sender: provider)
        with Worker() as worker:
            worker.run_until_idle()
        return worker

    return run


def statuses() -> list[str]:
    return sorted(SendLog.objects.values_list("status", flat=True))


def test_after_a_death_on_the_wire_each_row_gets_what_is_true_of_it(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    active_campaign(4)
    transport = Dying(Verdict.ACCEPTED)
    monkeypatch.setattr(handover, "transport_for", lambda sender: transport)
    with pytest.raises(SystemExit), Worker() as worker:
        worker.run_once()
    sweep.recover()
    accepted, on_the_wire = transport.left
    rows = SendLog.objects.in_bulk()
    assert (rows[accepted].status, rows[accepted].provider_id) == ("sent", "A1")
    assert (rows[on_the_wire].status, rows[on_the_wire].reason) == ("unknown", "lost")
    others = {(row.status, row.attempts) for pk, row in rows.items() if pk not in transport.left}
    assert others == {("queued", 0)}
    sums = Progress.objects.get()
    assert (sums.sent, sums.unknown, sums.remaining) == (1, 1, 2)


def test_customer_who_is_deleted_behind_the_gate_is_not_mailed(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    active_campaign(1)
    real_claim = handover.claim

    def claim_then_delete(*arguments: object) -> tuple[list[Passed], int]:
        passed = real_claim(*arguments)
        Customer.objects.all().delete()
        return passed

    monkeypatch.setattr(handover, "claim", claim_then_delete)
    with Worker() as worker:
        worker.run_once()
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("suppressed", "deleted")


def test_mail_that_cannot_be_built_fails_alone_whatever_the_error(
    active_campaign: MakeCampaign, mailbox: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    active_campaign(3)
    unlucky = SendLog.objects.earliest("id").pk
    real_build = Builder.build

    def build(builder: Builder, to: Recipient) -> Mail:
        if to.row_id == unlucky:
            raise ZeroDivisionError("odd data")
        return real_build(builder, to)

    monkeypatch.setattr(Builder, "build", build)
    with Worker() as worker:
        worker.run_until_idle()
    assert worker.counts == {"sent": 2, "failed": 1}
    row = SendLog.objects.get(pk=unlucky)
    assert (row.reason, row.error) == ("render", "odd data")


def test_provider_that_cannot_be_reached_costs_nobody_an_attempt_and_opens_the_circuit(
    active_campaign: MakeCampaign, hand_over_to: Callable[[Provider], Worker]
) -> None:
    active_campaign(5)
    provider = Provider(Verdict.ACCEPTED, Verdict.UNAVAILABLE)
    hand_over_to(provider)
    assert len(provider.left) == 2
    assert sorted(SendLog.objects.values_list("status", "attempts")) == [*[("queued", 0)] * 4, ("sent", 1)]
    assert Circuit.objects.get().failures == 1


def test_open_circuit_is_tried_with_one_mail_and_closed_by_its_answer(
    active_campaign: MakeCampaign, hand_over_to: Callable[[Provider], Worker]
) -> None:
    campaign = active_campaign(5)
    just_now = timezone.now() - timedelta(seconds=1)
    Circuit.objects.create(sender=campaign.senders.get(), failures=4, retry_at=just_now)
    provider = Provider(Verdict.UNAVAILABLE)
    hand_over_to(provider)
    assert (len(provider.left), Circuit.objects.get().failures) == (1, 5)
    Circuit.objects.update(retry_at=just_now)
    hand_over_to(Provider(Verdict.ACCEPTED))
    assert not Circuit.objects.exists()
    assert statuses() == ["sent"] * 5


def test_providers_retry_after_is_obeyed(
    active_campaign: MakeCampaign, hand_over_to: Callable[[Provider], Worker]
) -> None:
    active_campaign(3)
    hand_over_to(Provider(Verdict.UNAVAILABLE, retry_after=600))
    assert Circuit.objects.get().retry_at > timezone.now() + timedelta(seconds=590)
    again = Provider(Verdict.ACCEPTED)
    hand_over_to(again)
    assert again.left == []


def test_refused_sender_is_stopped_and_burns_nobody(
    active_campaign: MakeCampaign, hand_over_to: Callable[[Provider], Worker]
) -> None:
    campaign = active_campaign(3)
    hand_over_to(Provider(Verdict.SENDER))
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED
    assert Sender.objects.get().state == Sender.State.STOPPED
    assert set(SendLog.objects.values_list("status", "attempts")) == {("queued", 0)}


def test_pause_during_a_turn_stops_the_next_portion(
    active_campaign: MakeCampaign, hand_over_to: Callable[[Provider], Worker], settings: Settings
) -> None:
    settings.SEND_BATCH_SIZE = 4
    campaign = active_campaign(20)

    class Pausing(Provider):
        def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
            for answer in super().deliver(mails, leaving):
                if len(self.left) == 2:
                    lifecycle.pause(campaign)
                yield answer

    provider = Pausing(Verdict.ACCEPTED)
    hand_over_to(provider)
    assert len(provider.left) == 4
    assert statuses() == ["queued"] * 16 + ["sent"] * 4


def test_turn_that_is_over_gives_back_what_was_not_handed_over(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    active_campaign(4)
    monkeypatch.setattr(handover, "PATIENCE_SECONDS", -1)
    monkeypatch.setattr(handover, "transport_for", lambda sender: Provider(Verdict.ACCEPTED))
    with Worker() as worker:
        worker.run_once()
    assert set(SendLog.objects.values_list("status", "attempts", "lease_until")) == {("queued", 0, None)}


def test_database_that_fails_while_settling_loses_no_answer(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on its way is still answered and noted; recovery settles it when the database is back."""
    active_campaign(5)
    provider = Provider(Verdict.ACCEPTED)
    monkeypatch.setattr(handover, "transport_for", lambda sender: provider)
    monkeypatch.setattr(handover, "SETTLE_ROWS", 2)

    def fail(settlements: Sequence[Settlement], worker: str) -> set[int]:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(handover, "settle", fail)
    with pytest.raises(OperationalError), Worker() as worker:
        worker.run_once()
    assert len(provider.left) == 2
    sweep.recover()
    assert statuses() == ["queued"] * 3 + ["sent"] * 2
    assert Progress.objects.get().sent == 2


def test_worker_that_was_taken_for_dead_corrects_the_ledger(
    active_campaign: MakeCampaign, hand_over_to: Callable[[Provider], Worker]
) -> None:
    """Frozen past its lease, its rows became unknown; it knows that they were accepted, or never left."""
    active_campaign(3)

    class Frozen(Provider):
        def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
            for answer in super().deliver(mails, leaving):
                SendLog.objects.filter(status="sending").update(
                    lease_until=timezone.now() - timedelta(minutes=1)
                )
                sweep.expire_leases()
                yield answer
                return

    hand_over_to(Frozen(Verdict.ACCEPTED))
    assert statuses() == ["sent"] * 3
    assert (Progress.objects.get().sent, Progress.objects.get().unknown) == (3, 0)
