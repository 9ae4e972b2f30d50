"""Mails in doubt, and what the mailbox that they left through proves about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery import doubts
from delivery.finish import finish_done_campaigns
from delivery.message import message_id
from delivery.models import LookUp, Progress, SendLog
from delivery.transports import mailboxes, transport_for
from delivery.worker import Worker
from tests.delivery.connected import STUBS, connected
from tests.delivery.doubt import in_doubt
from tests.delivery.services import mail
from tests.google_stub import GoogleStub
from tests.http_stub import Act, Response
from tests.microsoft_stub import MicrosoftStub

pytestmark = pytest.mark.django_db
Stub = GoogleStub | MicrosoftStub
Active = Callable[..., Campaign]
Status = SendLog.Status


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "CONNECT_SECONDS", 1.5)
    monkeypatch.setattr(mailboxes, "REPLY_SECONDS", 1.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=STUBS)
def stub(request: pytest.FixtureRequest) -> Iterator[Stub]:
    with STUBS[request.param]() as running:
        yield running


def work() -> None:
    """A worker takes rounds until nothing is due."""
    with Worker() as worker:
        worker.run_until_idle()


def send(campaign: Campaign) -> None:
    work()
    campaign.refresh_from_db()


def look() -> int:
    """Let the time for the next look come, and take it."""
    doubts.look_up()
    LookUp.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    return doubts.look_up()


def statuses() -> list[str]:
    return sorted(SendLog.objects.values_list("status", flat=True))


def sums(campaign: Campaign) -> tuple[int, int, int]:
    progress = Progress.objects.get(pk=campaign.pk)
    return progress.sent, progress.unknown, progress.failed


def calls(stub: Stub, method: str = "GET") -> int:
    return sum(request.method == method for request in stub.requests)


# --- Found -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [Act.HANG, Act.RESET, Response(500, "oops")])
def test_a_mail_that_the_mailbox_has_sent_is_settled_as_sent(
    stub: Stub, settings: Settings, active_campaign: Active, act: Response | Act
) -> None:
    """After a 500 nothing was taken: Gmail proves nothing then, Microsoft that it was not sent."""
    stub.script = [None, act]
    campaign = active_campaign(senders=[connected(stub, settings)])
    send(campaign)
    assert statuses() == ["sent", "sent", "unknown"]
    was_taken = isinstance(act, Act)
    assert look() == (was_taken or isinstance(stub, MicrosoftStub))
    if was_taken:
        assert statuses() == ["sent", "sent", "sent"]
        settled = SendLog.objects.get(reason=SendLog.Reason.PROVEN)
        assert settled.sent_at is not None
        assert [entry["status"] for entry in settled.history] == ["unknown"]
        assert sums(campaign) == (3, 0, 0)
        campaign.refresh_from_db()
        assert campaign.result == "3 of 3 sent"
    assert sorted(stub.accepted) == sorted(set(stub.accepted))


def test_a_mail_whose_worker_died_is_found_by_its_message_id(
    stub: Stub, settings: Settings, active_campaign: Active
) -> None:
    """Nothing but the Message-ID is known of it."""
    sender = connected(stub, settings)
    campaign = active_campaign(senders=[sender], customers=1)
    [row] = in_doubt(campaign, 1)
    hand_over(sender, row)
    assert look() == 1
    row.refresh_from_db()
    assert (row.status, row.reason) == ("sent", "proven")


def hand_over(sender: Sender, row: SendLog) -> None:
    """What the worker did before it died."""
    ours = message_id(row.pk, row.campaign_id, sender.from_email.rpartition("@")[2])
    built = mail(row.pk)
    message = built.message.replace(f"<{row.pk}.1@acme.example>".encode(), ours.encode())
    transport = transport_for(sender)
    list(transport.deliver(iter([built._replace(own=message)]), lambda row_id: None))
    transport.close()


# --- Never sent ----------------------------------------------------------------------------------------


def test_a_draft_that_was_never_sent_is_deleted_and_the_mail_queued_again(
    settings: Settings, active_campaign: Active
) -> None:
    with MicrosoftStub(script=[Response(500, "oops")]) as stub:
        campaign = active_campaign(senders=[connected(stub, settings)], customers=1)
        send(campaign)
        assert (campaign.status, len(stub.in_folder("drafts"))) == ("completed", 1)
        assert look() == 1
        assert stub.in_folder("drafts") == []
        [row] = SendLog.objects.all()
        assert (row.status, row.reason) == ("queued", "retry")
        campaign.refresh_from_db()
        assert campaign.status == Campaign.Status.ACTIVE
        SendLog.objects.update(due_at=timezone.now())
        send(campaign)
        assert (statuses(), len(stub.accepted)) == (["sent"], 1)


def test_a_draft_of_an_earlier_attempt_proves_nothing_about_the_last(
    settings: Settings, active_campaign: Active
) -> None:
    """Its making had no answer. The next was sent, and does not show in the mailbox yet."""
    with MicrosoftStub(draft_script=[Act.RESET], script=[Act.RESET]) as stub:
        campaign = active_campaign(senders=[connected(stub, settings)], customers=1)
        send(campaign)
        assert (statuses(), len(stub.in_folder("drafts"))) == (["queued"], 1)
        SendLog.objects.update(due_at=timezone.now())
        send(campaign)
        assert (statuses(), len(stub.accepted)) == (["unknown"], 1)
        shown = stub.items.pop()
        assert look() == 0
        assert (statuses(), len(stub.in_folder("drafts"))) == (["unknown"], 1)
        stub.items.append(shown)
        assert look() == 1
        assert (statuses(), len(stub.accepted)) == (["sent"], 1)


@pytest.mark.parametrize("fence", [1, 2])
def test_of_a_lost_mail_a_draft_proves_something_only_if_there_was_no_other_attempt(
    settings: Settings, active_campaign: Active, fence: int
) -> None:
    with MicrosoftStub(script=[Response(500, "oops")]) as stub:
        sender = connected(stub, settings)
        [row] = in_doubt(active_campaign(senders=[sender], customers=1), 1)
        SendLog.objects.update(fence=fence, provider_id="lasting-1=")
        hand_over(sender, row)
        assert look() == (fence == 1)
        assert statuses() == ["queued" if fence == 1 else "unknown"]


def test_a_draft_that_is_being_sent_at_this_moment_proves_nothing(
    settings: Settings, active_campaign: Active, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone from the drafts when it is to be deleted: its id was that of its place there."""
    with MicrosoftStub(script=[Response(500, "oops")]) as stub:
        send(active_campaign(senders=[connected(stub, settings)], customers=1))
        listed = stub._list

        def list_then_send(request: Any, folder: str) -> Response:
            found = listed(request, folder)
            if folder == "drafts" and "prefer" not in request.headers:
                stub.items[0].folder = "sentitems"
            return found

        monkeypatch.setattr(stub, "_list", list_then_send)
        assert look() == 0
        assert statuses() == ["unknown"]
        assert look() == 1
        assert statuses() == ["sent"]


def test_a_mail_that_is_in_doubt_for_the_third_time_is_given_up(
    settings: Settings, active_campaign: Active
) -> None:
    with MicrosoftStub(script=[Response(500, "oops")] * 3) as stub:
        campaign = active_campaign(senders=[connected(stub, settings)], customers=1)
        for _ in range(3):
            SendLog.objects.update(due_at=timezone.now())
            send(campaign)
            assert look() == 1
        [row] = SendLog.objects.all()
        assert (row.status, row.reason, stub.accepted) == ("failed", "exhausted", [])


# --- No telling ------------------------------------------------------------------------------------------


def test_what_is_not_found_stays_unknown(stub: Stub, settings: Settings, active_campaign: Active) -> None:
    campaign = active_campaign(senders=[connected(stub, settings)], customers=1)
    in_doubt(campaign, 1)
    assert look() == 0
    assert statuses() == ["unknown"]


def test_a_mailbox_that_cannot_be_asked_settles_nothing(
    stub: Stub, settings: Settings, active_campaign: Active
) -> None:
    sender = connected(stub, settings)
    in_doubt(active_campaign(senders=[sender]), 3)
    stub.end_consent()
    assert look() == 0
    assert statuses() == ["unknown"] * 3


def test_without_the_permission_to_read_nobody_is_asked(
    stub: Stub, settings: Settings, active_campaign: Active
) -> None:
    in_doubt(active_campaign(senders=[connected(stub, settings, may_look_up=False)]), 3)
    assert look() == 0
    assert (LookUp.objects.count(), stub.requests) == (0, [])


def test_other_senders_doubts_are_nobodys_to_look_up(active_campaign: Active) -> None:
    in_doubt(active_campaign(), 2)
    assert look() == 0
    assert not LookUp.objects.exists()


# --- Not too often ---------------------------------------------------------------------------------------


def test_nobody_is_asked_before_five_minutes_are_over_and_then_ever_more_rarely(
    stub: Stub, settings: Settings, active_campaign: Active
) -> None:
    in_doubt(active_campaign(senders=[connected(stub, settings)], customers=1), 1)
    doubts.look_up()
    doubts.look_up()
    assert stub.requests == []
    waits = []
    for _ in range(8):
        LookUp.objects.update(due_at=timezone.now())
        doubts.look_up()
        waits.append(round((LookUp.objects.get().due_at - timezone.now()) / timedelta(minutes=1)))
    assert waits[:5] == [15, 60, 360, 1440, 1440]
    asked = calls(stub)
    doubts.look_up()
    assert calls(stub) == asked
    assert LookUp.objects.get().tries == 5


def test_so_many_are_looked_up_in_one_round(
    stub: Stub, settings: Settings, active_campaign: Active, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "MOST", 2)
    in_doubt(active_campaign(senders=[connected(stub, settings)], customers=5), 5)
    look()
    looked = LookUp.objects.filter(tries=1).count()
    assert looked == 2
    for _ in range(2):
        doubts.look_up()
    assert LookUp.objects.filter(tries=1).count() == 5


def test_a_silent_mailbox_holds_up_the_mails_of_others_for_a_few_seconds_only(
    settings: Settings, active_campaign: Active, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "SECONDS", 0.5)
    with MicrosoftStub() as stub:
        in_doubt(active_campaign(senders=[connected(stub, settings)], customers=5), 5)
        monkeypatch.setattr(stub, "_list", lambda request, folder: Act.HANG)
        look()
        assert calls(stub) == 1


def test_what_is_settled_otherwise_is_not_looked_up(
    stub: Stub, settings: Settings, active_campaign: Active
) -> None:
    campaign = active_campaign(senders=[connected(stub, settings)], customers=1)
    in_doubt(campaign, 1)
    doubts.look_up()
    SendLog.objects.update(status=Status.SENT)
    look()
    assert (LookUp.objects.count(), stub.requests) == (0, [])


def test_a_cancelled_campaigns_doubts_are_settled_and_nothing_of_it_is_sent(
    settings: Settings, active_campaign: Active
) -> None:
    with MicrosoftStub(script=[Response(500, "oops")]) as stub:
        campaign = active_campaign(senders=[connected(stub, settings)], customers=1)
        [row] = in_doubt(campaign, 1)
        lifecycle.cancel(campaign)
        hand_over(row.sender, row)
        assert look() == 1
        work()
        finish_done_campaigns()
        row.refresh_from_db()
        assert (row.status, stub.accepted) == ("cancelled", [])


def test_the_worker_looks_by_itself(settings: Settings, active_campaign: Active) -> None:
    with MicrosoftStub(script=[Act.RESET]) as stub:
        send(active_campaign(senders=[connected(stub, settings)], customers=1))
        doubts.look_up()
        LookUp.objects.update(due_at=timezone.now())
        # As long as nothing is due it looks, too.
        with Worker() as worker:
            worker.run_once()
        assert statuses() == ["sent"]
