"""Campaigns that wait for a mailbox to be connected again: they go on by themselves, and only they."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery import senders
from delivery.mailbox.store import MailboxStore
from delivery.models import SendLog
from delivery.worker import Worker
from tests.delivery.connected import STUBS, connect, connected
from tests.delivery.staff import member
from tests.factories import SenderFactory
from tests.google_stub import GoogleStub
from tests.microsoft_stub import MicrosoftStub

pytestmark = pytest.mark.django_db
Stub = GoogleStub | MicrosoftStub
State = Sender.State


@pytest.fixture(params=STUBS)
def stub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with STUBS[request.param]() as running:
        yield running


def waiting(active_campaign: Callable[..., Campaign], sender: Sender) -> Campaign:
    """A campaign that paused because its only mailbox needs reconnecting."""
    campaign = active_campaign(senders=[sender])
    Sender.objects.filter(pk=sender.pk).update(state=State.RECONNECT, last_error="The consent is over.")
    senders.relieve_stopped()
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED
    assert "that of" in campaign.result
    return campaign


def test_what_waited_for_the_mailbox_goes_on_by_itself(
    stub: Stub, settings: Settings, active_campaign: Callable[..., Campaign]
) -> None:
    sender = connected(stub, settings)
    campaign = waiting(active_campaign, sender)
    page = connect(member(sender.workspace), sender, stub)
    assert "1 campaign goes on." in page
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == (Campaign.Status.ACTIVE, "")
    last = campaign.transitions.last()
    assert last.actor is not None
    assert "was connected" in last.reason


@pytest.mark.parametrize("reason", ["", senders.AWAITS])
def test_what_somebody_paused_stays_paused(
    stub: Stub,
    settings: Settings,
    active_campaign: Callable[..., Campaign],
    reason: str,
    django_user_model: Any,
) -> None:
    sender = connected(stub, settings)
    campaign = active_campaign(senders=[sender])
    lifecycle.pause(campaign, django_user_model.objects.create(username="ada"), reason)
    connect(member(sender.workspace), sender, stub)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED


def test_what_drumbeat_paused_for_another_reason_stays_paused(
    stub: Stub, settings: Settings, active_campaign: Callable[..., Campaign]
) -> None:
    sender = connected(stub, settings)
    campaign = active_campaign(senders=[sender])
    senders.stop(sender, "535 no")
    connect(member(sender.workspace), sender, stub)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED


def work() -> None:
    with Worker() as worker:
        worker.run_until_idle()


def sent() -> int:
    return SendLog.objects.filter(status=SendLog.Status.SENT).count()


def test_a_campaign_whose_consent_ends_on_the_way_waits_and_then_reaches_the_rest(
    stub: Stub, settings: Settings, active_campaign: Callable[..., Campaign]
) -> None:
    sender = connected(stub, settings)
    campaign = active_campaign(senders=[sender], customers=5)
    SendLog.objects.filter(pk__in=SendLog.objects.order_by("pk")[2:]).update(
        due_at=timezone.now() + timedelta(hours=1)
    )
    work()
    assert sent() == 2
    stub.end_consent()
    SendLog.objects.update(due_at=timezone.now())
    work()
    sender.refresh_from_db()
    campaign.refresh_from_db()
    assert (sender.state, campaign.status) == (State.RECONNECT, Campaign.Status.PAUSED)
    assert SendLog.objects.filter(status=SendLog.Status.QUEUED, attempts=0).count() == 3
    connect(member(sender.workspace), sender, stub)
    # Two seconds between two mails would make this test long.
    Sender.objects.update(min_delay=0)
    work()
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == (Campaign.Status.COMPLETED, "5 of 5 sent")
    assert len(stub.accepted) == len(set(stub.accepted)) == 5


def test_a_consent_that_ends_moves_the_rest_to_another_sender(
    stub: Stub, settings: Settings, active_campaign: Callable[..., Campaign], mailbox: MailboxStore
) -> None:
    senders_of_it = [connected(stub, settings), SenderFactory()]
    campaign = active_campaign(senders=senders_of_it, customers=6)
    stub.end_consent()
    work()
    campaign.refresh_from_db()
    assert (campaign.status, sent(), mailbox.count(campaign.pk)) == (Campaign.Status.COMPLETED, 6, 6)


def test_a_mailbox_of_another_address_is_not_sent_through_with_the_tokens_of_the_first(
    stub: Stub, settings: Settings, active_campaign: Callable[..., Campaign]
) -> None:
    """The worker keeps transports, and they keep tokens."""
    sender = connected(stub, settings)
    active_campaign(senders=[sender], customers=2)
    later = SendLog.objects.filter(pk=SendLog.objects.order_by("pk").last().pk)
    later.update(due_at=timezone.now() + timedelta(hours=1))
    with Worker() as worker:
        worker.run_once()
        stub.account = "ada@acme.example"
        Sender.objects.update(from_email=stub.account)
        sender.refresh_from_db()
        connect(member(sender.workspace), sender, stub)
        Sender.objects.update(min_delay=0)
        later.update(due_at=timezone.now())
        worker.run_until_idle()
    used = [request.headers["authorization"] for request in stub.requests if "/me/" in request.path]
    assert (sent(), len(stub.accepted)) == (2, 2)
    assert used[-1] == f"Bearer {stub.access_tokens[-1]}" != used[0]


def test_a_sender_that_was_reconnected_at_this_moment_keeps_what_waits_for_it(
    active_campaign: Callable[..., Campaign],
) -> None:
    campaign = active_campaign()
    sender = campaign.senders.get()
    senders.relieve(sender)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.ACTIVE
    assert SendLog.objects.filter(sender=sender, status=SendLog.Status.QUEUED).count() == 3
