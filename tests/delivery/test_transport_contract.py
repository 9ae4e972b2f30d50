"""Every way out keeps the contract: SMTP, e-mail services, Gmail and Microsoft 365."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import Any

import pytest
from pytest_django import Settings

from campaigns.esps import ESPS
from delivery.transports import mailboxes, transport_for
from delivery.transports.base import Transport, Verdict
from delivery.transports.esp import EspTransport, Service
from delivery.transports.smtp import Server, SmtpTransport
from tests.delivery.connected import connected
from tests.delivery.over_smtp import at, be_impatient
from tests.delivery.services import (
    credentials,
    impatient,  # noqa: F401 - a fixture
    transport,
)
from tests.delivery.transport_contract import Fault, TransportContract, Wire, read, too_many
from tests.google_stub import GoogleStub
from tests.google_stub import refusal as google_refusal
from tests.http_stub import WRONG_KEY, HttpStub, Response
from tests.http_stub import Act as HttpAct
from tests.microsoft_stub import MicrosoftStub
from tests.microsoft_stub import refusal as microsoft_refusal
from tests.smtp_stub import Act as SmtpAct
from tests.smtp_stub import SmtpStub

TIMES = {
    Fault.SILENCE: HttpAct.HANG,
    Fault.RESET: HttpAct.RESET,
    Fault.BROKEN: Response(500, "oops"),
    Fault.GARBAGE: Response(200, "<html>captive portal</html>"),
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def http_script(faults: tuple[Fault | None, ...], own: dict[Fault, Any]) -> list[Any]:
    """What a stub that speaks HTTP does for these faults."""
    known = {**TIMES, **own}
    waits = (Fault.WAIT_SECONDS, Fault.WAIT_DATE)
    return [too_many(fault) if fault in waits else fault and known[fault] for fault in faults]


# --- SMTP --------------------------------------------------------------------------------------------


class SmtpWire(Wire):
    # The step at which a fault shows, and the reply.
    FAULTS = {  # noqa: RUF012
        Fault.RECIPIENT: ("RCPT", "550 5.1.1 no such user"),
        Fault.LOG_IN: ("MAIL", "530 5.7.0 authentication required"),
        Fault.WAIT_SECONDS: ("MAIL", "421 4.7.0 too many messages"),
        Fault.WAIT_DATE: ("MAIL", "421 4.7.0 too many messages"),
        Fault.BROKEN: ("DOT", "451 4.3.0 internal error"),
        Fault.SILENCE: ("DOT", SmtpAct.HANG),
        Fault.RESET: ("DOT", SmtpAct.RESET),
        Fault.GARBAGE: ("DOT", "Internal Server Error"),
    }

    def __init__(self, stub: SmtpStub) -> None:
        self._stub = stub

    def transport(self) -> Transport:
        return SmtpTransport(at(self._stub))

    def script(self, *faults: Fault | None) -> None:
        for nth, fault in enumerate(faults):
            if fault is not None:
                step, act = self.FAULTS[fault]
                script = self._stub.script.setdefault(step, [])
                assert isinstance(script, list)
                # A 421 before the mail left costs the connection, and the mail is tried on another.
                script += [None] * (nth - len(script)) + [act, act] if step == "MAIL" else [act]

    def taken(self) -> list[str]:
        return [each.recipient for each in self._stub.received]

    def arrived(self) -> list[dict[str, str]]:
        return [read(message_from_bytes(each.message, policy=policy.default)) for each in self._stub.received]

    @contextmanager
    def nobody_there(self) -> Iterator[Transport]:
        yield SmtpTransport(Server("127.0.0.1", free_port(), ehlo_name="acme.example"))


class TestSmtp(TransportContract):
    tells_wait = False
    # A reply that is no silence: it surely was not accepted.
    broken = Verdict.NOT_SENT

    @pytest.fixture
    def wire(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
        be_impatient(monkeypatch)
        with SmtpStub() as stub:
            yield SmtpWire(stub)


# --- An e-mail service ---------------------------------------------------------------------------------


class EspWire(Wire):
    FAULTS = {  # noqa: RUF012
        Fault.RECIPIENT: Response(422, {"ErrorCode": 406, "Message": "Inactive recipient: c1@example.com"}),
        Fault.LOG_IN: WRONG_KEY["postmark"],
    }

    def __init__(self, stub: HttpStub) -> None:
        self._stub = stub

    def transport(self) -> Transport:
        return transport(self._stub)

    def script(self, *faults: Fault | None) -> None:
        self._stub.script = http_script(faults, self.FAULTS)

    def taken(self) -> list[str]:
        return self._stub.accepted

    def arrived(self) -> list[dict[str, str]]:
        return [
            {
                **{header["Name"]: header["Value"] for header in request.json["Headers"]},
                "From": request.json["From"],
                "Subject": request.json["Subject"],
                "text": request.json["TextBody"],
            }
            for request in self._stub.requests
        ]

    @contextmanager
    def nobody_there(self) -> Iterator[Transport]:
        url = f"http://127.0.0.1:{free_port()}/"
        yield EspTransport(Service(ESPS["postmark"], credentials("postmark"), url), 4)


class TestEsp(TransportContract):
    @pytest.fixture
    def wire(self) -> Iterator[Wire]:
        with HttpStub() as stub:
            yield EspWire(stub)


# --- Mailboxes -----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def impatient_mailboxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "CONNECT_SECONDS", 1.5)
    monkeypatch.setattr(mailboxes, "REPLY_SECONDS", 1.5)


class MailboxWire(Wire):
    def __init__(
        self,
        stub: GoogleStub | MicrosoftStub,
        settings: Settings,
        own: dict[Fault, Any],
        *,
        may_look_up: bool,
    ) -> None:
        self._stub, self._settings, self._own = stub, settings, own
        self._sender = connected(stub, settings, may_look_up=may_look_up)

    def transport(self) -> Transport:
        return transport_for(self._sender)

    def script(self, *faults: Fault | None) -> None:
        self._stub.script = http_script(faults, self._own)
        if Fault.LOG_IN in faults and isinstance(self._stub, MicrosoftStub):
            # Shows when the draft is made.
            self._stub.draft_script = self._stub.script

    def taken(self) -> list[str]:
        return self._stub.accepted

    def arrived(self) -> list[dict[str, str]]:
        return [read(mail) for mail in self._stub.mails]

    @contextmanager
    def nobody_there(self) -> Iterator[Transport]:
        away = f"http://127.0.0.1:{free_port()}"
        self._settings.GOOGLE_API_URL = self._settings.MICROSOFT_API_URL = away
        yield transport_for(self._sender)


@pytest.mark.django_db
class TestGmail(TransportContract):
    FAULTS = {  # noqa: RUF012
        Fault.RECIPIENT: google_refusal(400, "invalidArgument", "Invalid To header"),
        Fault.LOG_IN: google_refusal(401, "authError", "Invalid Credentials"),
    }

    @pytest.fixture
    def wire(self, settings: Settings) -> Iterator[Wire]:
        with GoogleStub() as stub:
            yield MailboxWire(stub, settings, self.FAULTS, may_look_up=False)


MICROSOFT_FAULTS = {
    Fault.RECIPIENT: microsoft_refusal(400, "ErrorInvalidRecipients", "At least one recipient is not valid."),
    Fault.LOG_IN: microsoft_refusal(401, "InvalidAuthenticationToken"),
}


@pytest.mark.django_db
class TestMicrosoftByDraft(TransportContract):
    @pytest.fixture
    def wire(self, settings: Settings) -> Iterator[Wire]:
        with MicrosoftStub() as stub:
            yield MailboxWire(stub, settings, MICROSOFT_FAULTS, may_look_up=True)


@pytest.mark.django_db
class TestMicrosoftWithoutReading(TransportContract):
    @pytest.fixture
    def wire(self, settings: Settings) -> Iterator[Wire]:
        with MicrosoftStub() as stub:
            yield MailboxWire(stub, settings, MICROSOFT_FAULTS, may_look_up=False)
