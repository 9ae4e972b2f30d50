"""Stage 7 through an e-mail service's HTTP API: one call a mail, many calls in flight."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from campaigns.esps import ESPS, Esp
from campaigns.models import Sender
from campaigns.senders import api_url_problem
from delivery.errors import http
from delivery.errors.base import ERROR_LENGTH
from delivery.transports.base import Answer, Mail, Verdict
from delivery.transports.calls import Line, ManyCalls
from delivery.transports.esp_backends import Message, make_backend

PROVIDER_ID_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Service:
    """Which service to call, where, and as whom."""

    esp: Esp
    credentials: dict[str, str] = field(repr=False)
    api_url: str = ""


def service_of(sender: Sender) -> Service:
    """The e-mail service of a sender, complete.

    Raises ImproperlyConfigured with what to enter, and CredentialsUnreadable.
    """
    esp = ESPS.get(sender.esp)
    if esp is None:
        raise ImproperlyConfigured("The sender has no e-mail service. Choose one.")
    known = sender.credentials()
    for credential in esp.credentials:
        if credential.required and not known.get(credential.name):
            raise ImproperlyConfigured(f"{esp.label} asks for more: {credential.label}. Enter it.")
    if esp.needs_api_url and not sender.api_url:
        raise ImproperlyConfigured(f"{esp.label} has no address of its own. Enter the API address.")
    if problem := api_url_problem(sender.api_url):
        raise ImproperlyConfigured(problem)
    return Service(esp, known, sender.api_url)


class EspTransport(ManyCalls):
    """Hands mails to one e-mail service; see delivery.transports.base.Transport. For one thread."""

    def __init__(self, service: Service, connections: int) -> None:
        """Raises ImproperlyConfigured or ValueError where the service's client cannot use what it is told."""
        super().__init__(connections)
        self._service = service
        self._hidden = as_sent(service)
        self._shared: Any = None
        self._free.append(self._open_line())

    def close(self) -> None:
        super().close()
        self._shared = None

    def _open_line(self) -> Line:
        service = self._service
        backend = self._shared or make_backend(service.esp, service.credentials, service.api_url, self._most)
        # Opened by us, it stays so after a message.
        backend.open()
        if service.esp.one_client:
            self._shared = backend
        return Line(backend, time.monotonic())

    def _call(self, line: Line, mail: Mail) -> Answer:
        esp, message = self._service.esp, None
        try:
            message = Message(mail, esp)
            if line.is_stale() and not esp.one_client:
                line.backend.close()
                line.backend.open()
            line.backend.send_messages([message])
            return self._answered(mail, message)
        except Exception as error:
            called = message is not None and message.called
            return self._failed(mail, http.classify(error, esp.name, mail.recipient, called=called))

    def _answered(self, mail: Mail, message: Message) -> Answer:
        """What the service said about the one recipient."""
        status = next(iter(message.anymail_status.recipients.values()), None)
        said = status.status if status else None
        if status and said in ("sent", "queued"):
            provider_id = str(status.message_id or "")[:PROVIDER_ID_LENGTH]
            return Answer(mail.row_id, Verdict.ACCEPTED, provider_id=provider_id)
        response = message.anymail_status.esp_response
        esp = self._service.esp.name
        return self._failed(mail, http.refused(said or "unknown", response, esp, mail.recipient))

    def _failed(self, mail: Mail, problem: http.Problem) -> Answer:
        error = without(self._hidden, problem.error)
        return Answer(mail.row_id, problem.verdict, error=error, retry_after=problem.retry_after)


def without(secrets: Iterable[str], error: str) -> str:
    """An error as it may be shown and kept."""
    for secret in secrets:
        error = error.replace(secret, "***")
    return error[:ERROR_LENGTH]


def as_sent(service: Service) -> list[str]:
    """The secrets in every form in which they go out, for services like to repeat what they refuse."""
    known = service.credentials
    secrets = [known[name] for name in service.esp.secrets if known.get(name)]
    # Mailgun's user is "api", Mailjet's its API key (RFC 7617).
    users = ("api", known.get("api_key", ""))
    pairs = [f"{user}:{secret}".encode() for user in users for secret in secrets]
    return [base64.b64encode(pair).decode() for pair in pairs] + secrets
