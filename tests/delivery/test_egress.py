"""No transport of any kind reaches an inner address that somebody typed, and no redirect takes it there."""

from __future__ import annotations

import socket

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from campaigns.esps import ESPS
from campaigns.models import Sender
from delivery.errors.base import Verdict
from delivery.transports import esp_check, smtp
from delivery.transports.esp import Service, service_of
from tests.delivery.services import credentials, deliver, mails, transport
from tests.http_stub import HttpStub, Response

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("name", ["postmark", "mailgun", "amazon_ses"])
def test_no_service_is_called_at_an_inner_address(name: str, settings: Settings) -> None:
    with HttpStub() as stub:
        settings.EGRESS_ALLOW = []
        [answer] = deliver(transport(stub, name), mails(1))
        assert answer.verdict is Verdict.SENDER
        assert "an inner address" in answer.error and "EGRESS_ALLOW=127.0.0.1:" in answer.error
        problem = esp_check.check(Service(ESPS[name], credentials(name), stub.url(name)), "a@acme.example")
        assert problem is not None and "an inner address" in problem.error
        assert stub.requests == []


@pytest.mark.parametrize("name", ["postmark", "amazon_ses"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(name: str, status: int) -> None:
    with HttpStub() as stub, HttpStub() as inner:
        stub.script = [Response(status, "", {"Location": inner.url(name)})]
        [answer] = deliver(transport(stub, name), mails(1))
        assert answer.verdict is not Verdict.ACCEPTED
        assert inner.requests == []


def test_no_smtp_server_is_called_at_an_inner_address(settings: Settings) -> None:
    settings.EGRESS_ALLOW = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        problem = smtp.check(smtp.Server("127.0.0.1", listener.getsockname()[1])).problem
        assert problem is not None and problem.verdict is Verdict.SENDER
        assert "an inner address" in str(problem)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_sender_that_is_set_to_call_an_inner_address_says_so_before(settings: Settings) -> None:
    settings.EGRESS_ALLOW = []
    sender = Sender(transport="esp", esp="postal", api_url="https://169.254.169.254/latest")
    sender.set_credentials({"api_key": "k"})
    with pytest.raises(ImproperlyConfigured, match=r"169\.254\.169\.254, an inner address"):
        service_of(sender)
