"""Access tokens of connected mailboxes: in good time, by one worker, and what it means when there is none."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from campaigns.models import Grant, Sender
from delivery import access
from delivery.errors.base import Verdict
from tests.delivery.connected import STUBS, connected, tokens
from tests.google_stub import GoogleStub
from tests.http_stub import Act, Response
from tests.microsoft_stub import MicrosoftStub

pytestmark = pytest.mark.django_db
Stub = GoogleStub | MicrosoftStub
SOON = timedelta(minutes=4)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "TIMEOUT", (1.5, 1.5))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=STUBS)
def stub(request: pytest.FixtureRequest) -> Iterator[Stub]:
    with STUBS[request.param]() as running:
        yield running


def refused(sender: Sender) -> access.NoAccess:
    with pytest.raises(access.NoAccess) as caught:
        access.token(sender)
    sender.refresh_from_db()
    return caught.value


# --- In good time ------------------------------------------------------------------------------------


def test_a_token_that_is_good_for_long_is_taken_as_it_is(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    assert access.token(sender).access == tokens(sender)["access"]
    assert stub.token_calls == []


def test_a_token_that_ends_in_less_than_five_minutes_is_renewed(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings, ends_in=SOON)
    before = tokens(sender)
    token = access.token(sender)
    [call] = stub.token_calls
    assert (call["grant_type"], call["refresh_token"]) == ("refresh_token", before["refresh"])
    assert token.access == stub.access_tokens[-1] == tokens(sender)["access"] != before["access"]
    # Microsoft gives a new refresh token with each, Google none.
    assert (tokens(sender)["refresh"] == before["refresh"]) is not stub.rotates
    assert tokens(sender)["refresh"] == stub.refresh_tokens[-1]
    assert Grant.objects.get().expires_at > timezone.now() + timedelta(minutes=55)


def test_a_refused_token_is_renewed_although_its_time_is_not_over(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    old = tokens(sender)["access"]
    new = access.token(sender, refused=old)
    assert new.access != old
    # Whoever was refused the old one as well finds the new one.
    assert access.token(sender, refused=old) == new
    assert len(stub.token_calls) == 1


def test_a_provider_that_says_no_end_is_believed_for_an_hour(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings, ends_in=SOON)
    stub.token_script = [Response(200, {"access_token": "a", "token_type": "Bearer", "refresh_token": "r"})]
    assert access.token(sender).expires_at > timezone.now() + timedelta(minutes=55)


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_ask_at_once_one_calls_and_all_have_the_newest(
    stub: Stub, settings: Settings
) -> None:
    """With the lock of the row removed, each calls, and an older refresh token may be kept."""
    sender = connected(stub, settings, ends_in=SOON)
    stub.latency = 0.2
    gate = threading.Barrier(6)

    def ask(_: int) -> str:
        gate.wait()
        try:
            return access.token(sender).access
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        got = set(pool.map(ask, range(6)))
    assert got == {stub.access_tokens[-1]}
    assert len(stub.token_calls) == 1
    assert tokens(sender) == {"access": stub.access_tokens[-1], "refresh": stub.refresh_tokens[-1]}


# --- There is none -------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["invalid_grant", "interaction_required", "consent_required"])
def test_a_consent_that_is_over_makes_the_sender_need_reconnecting(
    stub: Stub, settings: Settings, error: str
) -> None:
    sender = connected(stub, settings, ends_in=SOON)
    before = tokens(sender)
    stub.token_script = [Response(400, {"error": error, "error_description": "AADSTS50173: ü"})]
    no_access = refused(sender)
    assert no_access.verdict is Verdict.SENDER
    assert sender.state == Sender.State.RECONNECT
    assert "Reconnect the mailbox." in sender.last_error
    assert "invalid" not in sender.last_error
    assert tokens(sender) == before


@pytest.mark.parametrize(
    "act",
    [
        Response(500, "oops"),
        Response(503, ""),
        Response(429, "slow down"),
        Response(400, {"error": "temporarily_unavailable"}),
        Response(200, "<html>captive portal</html>"),
        Response(200, {"token_type": "Bearer"}),
        Act.HANG,
        Act.RESET,
        Act.CLOSE,
    ],
)
def test_a_provider_in_trouble_costs_the_sender_nothing(
    stub: Stub, settings: Settings, act: Response | Act
) -> None:
    sender = connected(stub, settings, ends_in=SOON)
    before = tokens(sender)
    stub.token_script = [act]
    assert refused(sender).verdict is Verdict.UNAVAILABLE
    assert sender.state == Sender.State.READY
    assert tokens(sender) == before
    assert access.token(sender).access != before["access"]


def test_an_installation_that_is_not_known_any_more_says_which_setting(
    stub: Stub, settings: Settings
) -> None:
    sender = connected(stub, settings, ends_in=SOON)
    settings.GOOGLE_CLIENT_SECRET = settings.MICROSOFT_CLIENT_SECRET = "expired"
    no_access = refused(sender)
    assert no_access.verdict is Verdict.SENDER
    assert "_CLIENT_SECRET" in str(no_access)
    assert sender.state == Sender.State.READY


def test_a_mailbox_that_is_not_connected_says_so(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    Grant.objects.all().delete()
    assert "not connected" in str(refused(sender))


def test_tokens_that_cannot_be_decrypted_name_the_key(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    settings.CREDENTIAL_KEYS = ["another"]
    assert "CREDENTIAL_KEYS" in str(refused(sender))


def test_no_token_stands_in_the_table_in_the_log_or_in_a_representation(
    stub: Stub, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sender = connected(stub, settings, ends_in=SOON)
    token = access.token(sender)
    stub.end_consent()
    with pytest.raises(access.NoAccess):
        access.token(sender, refused=token.access)
    grant = Grant.objects.get()
    shown = f"{token!r} {grant!r} {grant.sealed_tokens} {caplog.text}"
    assert "consent is over" in caplog.text
    for secret in (*tokens(sender).values(), token.access, settings.GOOGLE_CLIENT_SECRET or "hush"):
        assert secret not in shown
