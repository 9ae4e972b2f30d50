"""Mails of doubtful fate, asked about once more where the service knows a repeated call by its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audience.models import Suppression
from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery import fill, replay, unknown
from delivery.finish import finish_done_campaigns
from delivery.handover import Hands
from delivery.journal import Journal
from delivery.limits import limiter
from delivery.models import Progress, SenderDay, SendLog
from delivery.worker import Worker
from tests.delivery.services import credentials, impatient  # noqa: F401 - a fixture
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory, UserFactory
from tests.http_stub import Act, HttpStub, Response

pytestmark = pytest.mark.django_db(transaction=True)
OpenHands = Callable[[], Hands]


@pytest.fixture
def hands() -> Iterator[OpenHands]:
    opened = Hands("w9", Journal("w9"), limiter())
    yield lambda: opened
    opened.close()


def sender_at(stub: HttpStub, esp: str = "resend", **columns: Any) -> Sender:
    sender: Sender = SenderFactory(transport="esp", esp=esp, api_url=stub.url(esp), **columns)
    sender.set_credentials(credentials(esp))
    sender.save(update_fields=["sealed_credentials"])
    return sender


def in_doubt_at(stub: HttpStub, esp: str = "resend", customers: int = 1, **columns: Any) -> Campaign:
    """A campaign whose mails the service took without a word, and whose worker's lease has ended."""
    CustomerFactory.create_batch(customers, **columns)
    campaign: Campaign = CampaignFactory(senders=[sender_at(stub, esp)])
    lifecycle.activate(campaign)
    while fill.fill_page(campaign):
        pass
    with Worker() as worker:
        worker.run_once()
    assert set(states(campaign)) == {"unknown"}
    # It tells when the mail may have left.
    assert all(SendLog.objects.values_list("lease_until", flat=True))
    left(seconds_ago=130)
    Campaign.objects.update(status="active")
    return campaign


def left(seconds_ago: float) -> None:
    """Let the unknown mails have left so long ago."""
    lease = timezone.now() - timedelta(seconds=seconds_ago) + timedelta(seconds=120)
    SendLog.objects.filter(status="unknown").update(lease_until=lease, due_at=timezone.now())


def states(campaign: Campaign) -> list[str]:
    return list(SendLog.objects.filter(campaign=campaign).order_by("pk").values_list("status", flat=True))


@pytest.mark.parametrize("esp", ["resend", "brevo"])
@pytest.mark.parametrize("act", [Act.HANG, Act.RESET, Response(500, "")], ids=["hang", "reset", "500"])
def test_a_doubt_ends_by_itself_and_one_mail_has_left(
    hands: OpenHands, esp: str, act: Act | Response
) -> None:
    with HttpStub([act]) as stub:
        campaign = in_doubt_at(stub, esp)
        assert replay.replay_unknown(hands) == 1
        assert len(stub.accepted) == 1
        assert len(stub.requests) == 2
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("sent", "confirmed")
    assert row.provider_id == ("id-1" if isinstance(act, Act) else "id-2")
    assert row.sent_at is not None
    progress = Progress.objects.get(campaign=campaign)
    assert (progress.sent, progress.unknown) == (1, 0)
    assert SenderDay.objects.get().sent == 1


def test_the_worker_asks_by_itself(hands: OpenHands) -> None:
    with HttpStub([Act.HANG]) as stub:
        campaign = in_doubt_at(stub)
        with Worker() as worker:
            worker.run_once()
        assert (states(campaign), len(stub.accepted)) == (["sent"], 1)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == ("completed", "1 of 1 sent")


def test_an_ended_campaign_says_how_it_went_in_the_end(hands: OpenHands) -> None:
    with HttpStub([Act.HANG]) as stub:
        campaign = in_doubt_at(stub)
        finish_done_campaigns()
        replay.replay_unknown(hands)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == ("completed", "1 of 1 sent")


def test_a_service_that_stays_silent_is_asked_less_and_less_often(hands: OpenHands) -> None:
    with HttpStub([Act.HANG, Act.HANG]) as stub:
        # A first call that the service knows would be answered: this one it never saw.
        campaign = in_doubt_at(stub)
        stub.known.clear()
        assert replay.replay_unknown(hands) == 0
        assert replay.replay_unknown(hands) == 0
        assert len(stub.requests) == 2
    assert states(campaign) == ["unknown"]
    assert SendLog.objects.get().due_at > timezone.now() + timedelta(seconds=60)


@pytest.mark.parametrize(("esp", "hours"), [("resend", 21), ("brevo", 0.2)])
def test_a_key_that_the_service_may_have_forgotten_is_not_used_again(
    hands: OpenHands, esp: str, hours: float
) -> None:
    with HttpStub([Act.HANG]) as stub:
        campaign = in_doubt_at(stub, esp)
        left(seconds_ago=hours * 3600)
        assert replay.replay_unknown(hands) == 0
        assert (states(campaign), len(stub.requests)) == (["unknown"], 1)


def test_a_mail_that_a_worker_may_still_have_in_hand_is_left_to_it(hands: OpenHands) -> None:
    with HttpStub([Act.HANG]) as stub:
        in_doubt_at(stub)
        left(seconds_ago=60)
        replay.replay_unknown(hands)
        assert len(stub.requests) == 1


def test_another_mail_than_the_first_leaves_the_doubt_as_it_is(hands: OpenHands) -> None:
    with HttpStub([Act.HANG]) as stub:
        campaign = in_doubt_at(stub)
        Sender.objects.update(from_name="Somebody else")
        assert replay.replay_unknown(hands) == 0
        assert (states(campaign), len(stub.accepted)) == (["unknown"], 1)


@pytest.mark.parametrize("act", [Act.HANG, Response(500, "")], ids=["hang", "500"])
def test_whom_nobody_tracks_is_not_tracked_by_asking(hands: OpenHands, act: Act | Response) -> None:
    with HttpStub([act]) as stub:
        campaign = in_doubt_at(stub, tracked=False)
        assert replay.replay_unknown(hands) == 1
        first, second = (request.body for request in stub.requests)
    assert first == second
    assert states(campaign) == ["sent"]


def test_who_may_not_be_mailed_any_more_is_not_asked_about(hands: OpenHands) -> None:
    with HttpStub([Act.HANG, Act.HANG]) as stub:
        campaign = in_doubt_at(stub, customers=2)
        gone, left_us = campaign.matching().order_by("pk")
        Suppression.objects.create(workspace=campaign.workspace, email=gone.email, reason="complaint")
        type(left_us).objects.filter(pk=left_us.pk).update(subscribed=False)
        assert replay.replay_unknown(hands) == 0
        assert len(stub.requests) == 2
    assert states(campaign) == ["unknown", "unknown"]


@pytest.mark.parametrize("act", ["pause", "cancel", "complete"])
def test_what_somebody_has_stopped_stays_stopped(hands: OpenHands, act: str) -> None:
    with HttpStub([Act.HANG]) as stub:
        campaign = in_doubt_at(stub)
        getattr(lifecycle, act)(campaign, UserFactory())
        assert replay.replay_unknown(hands) == 0
        assert len(stub.requests) == 1


def test_a_mail_that_somebody_had_sent_again_counts_from_the_first_time(hands: OpenHands) -> None:
    with HttpStub([Act.HANG, Act.HANG]) as stub:
        campaign = in_doubt_at(stub)
        stub.known.clear()
        unknown.send_again(campaign, UserFactory())
        with Worker() as worker:
            worker.run_once()
        assert states(campaign) == ["unknown"]
        left(seconds_ago=130)
        assert replay.replay_unknown(hands) == 0
        assert len(stub.requests) == 2


def test_another_account_is_not_asked_about_the_mails_of_the_one_before(hands: OpenHands) -> None:
    with HttpStub([Act.HANG]) as stub:
        campaign = in_doubt_at(stub)
        sender = campaign.senders.get()
        sender.set_credentials(credentials("resend"))
        sender.save(update_fields=["sealed_credentials", "account_since"])
        assert replay.replay_unknown(hands) == 0
        assert len(stub.requests) == 1


def test_a_sender_that_is_stopped_or_rests_is_not_used(hands: OpenHands) -> None:
    with HttpStub([Act.HANG]) as stub:
        in_doubt_at(stub)
        Sender.objects.update(state=Sender.State.STOPPED)
        replay.replay_unknown(hands)
        assert len(stub.requests) == 1


def test_a_service_without_keys_is_never_asked_again(hands: OpenHands) -> None:
    with HttpStub([Act.HANG]) as stub:
        campaign = in_doubt_at(stub, "postmark")
        replay.replay_unknown(hands)
        assert (states(campaign), len(stub.requests)) == (["unknown"], 1)
