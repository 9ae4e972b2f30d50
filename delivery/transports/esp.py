"""Stage 7 through an e-mail service's HTTP API: one call a mail, many calls in flight."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from campaigns.esps import ESPS, Esp
from campaigns.models import Sender
from campaigns.senders import api_url_problem
from delivery.errors import http
from delivery.errors.base import ERROR_LENGTH
from delivery.transports.base import Answer, Leaving, Mail, Verdict
from delivery.transports.esp_backends import Message, make_backend

# Firewalls forget silent connections without a word; a call into one of those ends in doubt.
IDLE_SECONDS = 50
# So many refusals in a row that name no reason, and no mail accepted between them: it is the sender.
REFUSALS_IN_A_ROW = 20
# After these no other mail would be taken either.
CLOSED = frozenset({Verdict.UNAVAILABLE, Verdict.SENDER})
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


@dataclass(slots=True)
class _Line:
    """A backend with its session, for one call at a time."""

    backend: Any
    used_at: float


# From the threads that call to the one that delivers.
_Back = SimpleQueue[tuple[_Line, Answer]]


class EspTransport:
    """Hands mails to one e-mail service; see delivery.transports.base.Transport. For one thread.

    It keeps threads and sessions, as many as calls have been in flight at once and at most `connections`.
    """

    def __init__(self, service: Service, connections: int) -> None:
        """Raises ImproperlyConfigured or ValueError where the service's client cannot use what it is told."""
        self._service = service
        self._most = connections
        self._hidden = _as_sent(service)
        self._pool: ThreadPoolExecutor | None = None
        self._free: list[_Line] = []
        self._shared: Any = None
        self._refusals = 0
        self._free.append(self._line())

    def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
        back: _Back = SimpleQueue()
        in_flight, pulling = 0, True
        trouble: Exception | None = None
        while True:
            while pulling and in_flight < self._most:
                try:
                    pulling = self._start(mails, leaving, back)
                except Exception as error:
                    # What is in flight is answered all the same.
                    trouble, pulling = error, False
                in_flight += pulling
            if not in_flight:
                break
            line, answer = back.get()
            in_flight -= 1
            self._free.append(line)
            answer = self._weighed(answer)
            pulling = pulling and answer.verdict not in CLOSED
            yield answer
        if trouble:
            raise trouble

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown()
            self._pool = None
        for line in self._free:
            line.backend.close()
        self._free.clear()
        self._shared = None

    def _start(self, mails: Iterator[Mail], leaving: Leaving, back: _Back) -> bool:
        """Let the next mail fly; False when there is none."""
        mail = next(mails, None)
        if mail is None:
            return False
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, "esp")
        line = self._line()
        leaving(mail.row_id)
        self._pool.submit(self._fly, line, mail, back)
        return True

    def _line(self) -> _Line:
        """A line that nobody calls on: the one used last, whose connection is most likely to stand."""
        if self._free:
            return self._free.pop()
        service = self._service
        backend = self._shared or make_backend(service.esp, service.credentials, service.api_url, self._most)
        # Opened by us, it stays so after a message.
        backend.open()
        if service.esp.one_client:
            self._shared = backend
        return _Line(backend, time.monotonic())

    def _fly(self, line: _Line, mail: Mail, back: _Back) -> None:
        """Call the service with one mail, in a thread of the pool; whatever happens is its answer."""
        esp, message = self._service.esp, None
        try:
            message = Message(mail, esp)
            if time.monotonic() - line.used_at > IDLE_SECONDS and not esp.one_client:
                line.backend.close()
                line.backend.open()
            line.backend.send_messages([message])
            answer = self._answered(mail, message)
        except Exception as error:
            called = message is not None and message.called
            answer = self._failed(mail, http.classify(error, esp.name, mail.recipient, called=called))
        line.used_at = time.monotonic()
        back.put((line, answer))

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
        error = problem.error
        for secret in self._hidden:
            error = error.replace(secret, "***")
        return Answer(
            mail.row_id, problem.verdict, error=error[:ERROR_LENGTH], retry_after=problem.retry_after
        )

    def _weighed(self, answer: Answer) -> Answer:
        """The answer in the light of those before it.

        One mail that is refused for no known reason is that mail's affair. When all are, it is the
        sender's, and nobody's mail should be used up in finding out.
        """
        if answer.verdict is Verdict.ACCEPTED:
            self._refusals = 0
        elif answer.verdict is Verdict.NOT_SENT:
            self._refusals += 1
            if self._refusals >= REFUSALS_IN_A_ROW:
                self._refusals = 0
                error = f"The service refused {REFUSALS_IN_A_ROW} mails in a row. {answer.error}"
                return replace(answer, verdict=Verdict.SENDER, error=error[:ERROR_LENGTH])
        return answer


def _as_sent(service: Service) -> list[str]:
    """The secrets in every form in which they go out, for services like to repeat what they refuse."""
    known = service.credentials
    secrets = [known[name] for name in service.esp.secrets if known.get(name)]
    # Mailgun's user is "api", Mailjet's its API key (RFC 7617).
    users = ("api", known.get("api_key", ""))
    pairs = [f"{user}:{secret}".encode() for user in users for secret in secrets]
    return [base64.b64encode(pair).decode() for pair in pairs] + secrets
