"""Mails that came back into a mailbox: found, kept once, and acted on as any report is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from audience.models import Suppression
from campaigns.models import Campaign, Grant
from delivery.inbound import inbox, returned
from delivery.models import Inbound, SendLog
from tests.delivery.connected import STUBS, connected
from tests.delivery.test_take_report import bounce
from tests.delivery.webhooks.mails import sent, told
from tests.google_stub import GoogleStub
from tests.http_stub import Response
from tests.microsoft_stub import MicrosoftStub

pytestmark = pytest.mark.django_db
MakeCampaign = Callable[..., Campaign]
Stub = GoogleStub | MicrosoftStub
NOW = datetime.now(UTC).replace(microsecond=0)
LETTER = b"From: <friend@example.org>\r\nSubject: Lunch?\r\n\r\nToday?\r\n"


@pytest.fixture(params=STUBS)
def stub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with STUBS[request.param]() as running:
        yield running


@pytest.fixture
def grant(stub: Stub, settings: Settings) -> Grant:
    return due(Grant.objects.get(pk=connected(stub, settings).pk))


def due(grant: Grant, since: datetime = NOW - timedelta(hours=1)) -> Grant:
    Grant.objects.filter(pk=grant.pk).update(
        returns_due_at=timezone.now() - timedelta(seconds=1), returns_read_until=since
    )
    return Grant.objects.get(pk=grant.pk)


def bounced(row: SendLog) -> bytes:
    return bounce(row, "failed", "5.1.1", "550 5.1.1 no such user")


def test_a_bounce_in_the_mailbox_suppresses_the_address(
    stub: Stub, grant: Grant, active_campaign: MakeCampaign
) -> None:
    rows = sent(active_campaign(3, senders=[grant.sender]), 3)
    stub.received = [(NOW - timedelta(minutes=9 - n), bounced(row)) for n, row in enumerate(rows)]
    stub.received.insert(1, (NOW - timedelta(minutes=8), LETTER))
    assert returned.collect() == 3
    inbox.process(1)
    assert told() == [("bounced", "hard")] * 3
    assert Suppression.objects.filter(reason="hard_bounce").count() == 3


def test_nobodys_letters_are_fetched(stub: Stub, grant: Grant) -> None:
    stub.received = [(NOW, LETTER)] * 3
    assert returned.collect() == 0
    assert not [one for one in stub.requests if "$value" in one.path or "format=raw" in one.path]
    assert not Inbound.objects.exists()


def test_what_is_fetched_again_is_kept_once(stub: Stub, grant: Grant, active_campaign: MakeCampaign) -> None:
    [row] = sent(active_campaign(1, senders=[grant.sender]))
    stub.received = [(NOW, bounced(row))]
    for _ in range(2):
        returned.collect()
        due(grant)
    inbox.process(1)
    assert told() == [("bounced", "hard")]
    assert Inbound.objects.count() == 1


def test_a_mailbox_is_read_by_one_worker_and_not_all_the_time(stub: Stub, grant: Grant) -> None:
    assert returned._mine() == grant
    assert returned._mine() is None
    returned.collect()
    assert stub.requests == []


def test_of_two_workers_that_saw_a_mailbox_due_one_gets_it(grant: Grant) -> None:
    seen_by_both = Grant.objects.get(pk=grant.pk)
    assert [returned._claim(seen_by_both, timezone.now()) for _ in range(2)] == [True, False]


def test_the_next_look_begins_where_the_last_one_was(
    stub: Stub, grant: Grant, active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sent(active_campaign(3, senders=[grant.sender]), 3)
    stub.received = [(NOW - timedelta(minutes=30 - n), bounced(row)) for n, row in enumerate(rows)]
    monkeypatch.setattr(returned, "SECONDS", 0.0)
    for number in (1, 2, 3):
        returned.collect()
        assert Inbound.objects.count() == number
        # At once, and not from the beginning: the mail that was fetched last is fetched once more.
        grant.refresh_from_db()
        assert grant.returns_read_until == NOW - timedelta(minutes=31 - number)
        Grant.objects.update(returns_read_until=grant.returns_read_until + timedelta(seconds=1))
    monkeypatch.setattr(returned, "SECONDS", 5.0)
    returned.collect()
    grant.refresh_from_db()
    assert grant.returns_due_at > timezone.now()
    assert abs(timezone.now() - returned.LATE - grant.returns_read_until) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "reply", [Response(503), Response(200, "<html>"), Response(200, {"value": 3, "messages": 3})]
)
def test_a_mailbox_that_cannot_be_read_is_read_later(
    stub: Stub, grant: Grant, reply: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub, "api", lambda request, path: reply)
    assert returned.collect() == 0
    after = Grant.objects.get()
    assert after.returns_read_until == grant.returns_read_until
    assert after.returns_due_at > timezone.now()


def test_a_mail_that_nobody_can_read_holds_up_no_other(
    stub: Stub, grant: Grant, active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    [row] = sent(active_campaign(1, senders=[grant.sender]))
    stub.received = [(NOW, b"From: <postmaster@x.example>\r\n\r\npoison"), (NOW, bounced(row))]
    take = inbox.take_mail

    def chokes(raw: bytes) -> bool:
        if b"poison" in raw:
            raise RecursionError
        return take(raw)

    monkeypatch.setattr(inbox, "take_mail", chokes)
    assert returned.collect() == 1


def test_without_the_permission_to_read_nobody_looks(stub: Stub, settings: Settings) -> None:
    due(Grant.objects.get(pk=connected(stub, settings, may_look_up=False).pk))
    assert returned.collect() == 0
    assert stub.requests == []


@pytest.mark.parametrize("stub", ["microsoft"], indirect=True)
def test_the_token_is_not_sent_to_where_a_reply_leads(stub: MicrosoftStub, grant: Grant) -> None:
    stub.received = [(NOW, LETTER)] * 3
    stub.next_page = f"{stub.root}/elsewhere/receivedDateTime"
    returned.collect()
    assert not [one for one in stub.requests if "elsewhere" in one.path]
    assert Grant.objects.get().returns_read_until == grant.returns_read_until
