"""Stage 7 through a mailbox that its owner has connected: Gmail's API or Microsoft Graph.

What both have in common: a backend as Django has them, a token for each call, and one more try with a new
token when the provider refuses the one it had.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import requests
from django.core.mail import EmailMessage  # noqa: TID251 - this is delivery.transports
from django.core.mail.backends.base import BaseEmailBackend  # noqa: TID251
from django.db import Error

from campaigns.models import Grant, Sender
from campaigns.oauth import OAuthProvider
from delivery import access, sessions
from delivery.errors import mailboxes
from delivery.errors.base import ERROR_LENGTH, Verdict
from delivery.transports.base import Answer, Mail
from delivery.transports.calls import Line, ManyCalls

CONNECT_SECONDS = 10
REPLY_SECONDS = 30
# Calls in flight to one mailbox. Microsoft allows an application four at once.
CALLS_AT_ONCE = 4
PROVIDER_ID_LENGTH = 255
UNAUTHORIZED = 401


class Message:
    """A mail on its way through a backend, and what became of it."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        # The provider's ids of the message and of its thread.
        self.ids: tuple[str, ...] = ()
        # Whether the provider may have accepted it.
        self.left = False


class MailboxBackend(BaseEmailBackend):
    """One session with a provider's API, as a Django e-mail backend; `token` authorises its calls.

    A failure is raised: of a refusal, requests.HTTPError with its response.
    """

    def __init__(self, provider: OAuthProvider, **options: Any) -> None:
        super().__init__(**options)
        self.provider = provider
        self.token: access.Token | None = None
        # Of the mail in flight: whether it was refused for its token, and whether it had its second try.
        self.unauthorized = False
        self.tried_again = False
        self._session: requests.Session | None = None

    def open(self) -> bool:
        if self._session is not None:
            return False
        self._session = requests.Session()
        sessions.prepare(self._session, self.provider.api_url, typed=False)
        return True

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def send_messages(self, email_messages: Sequence[EmailMessage | Message]) -> int:
        for message in email_messages:
            if isinstance(message, EmailMessage):
                # Django's messages know linesep, their type does not.
                self.send(Message(message.message().as_bytes(linesep="\r\n")))  # type: ignore[call-arg]
            else:
                self.send(message)
        return len(email_messages)

    def send(self, message: Message) -> None:
        """Hand one message over and note its ids."""
        raise NotImplementedError

    def look_up(self, message_id: str, draft_id: str, *, is_only: bool) -> Verdict | None:
        """Whether a mail of doubtful fate was sent: ACCEPTED, surely not (NOT_SENT), or no telling.

        `draft_id` is the lasting id of its draft, where it is known; `is_only`: there was no other attempt.
        """
        raise NotImplementedError

    def returned(self, since: datetime) -> Iterator[tuple[datetime, bytes]]:
        """The mails of mail servers that the mailbox has received since then, the oldest first, with when."""
        raise NotImplementedError

    def account(self) -> requests.Response:
        """Whose mailbox it is; proves that the token is good."""
        return self.call("GET", self.provider.account_url)

    def call(self, method: str, url: str, **options: Any) -> requests.Response:
        """One call. Raises requests.HTTPError for every reply that is no success."""
        self.open()
        assert self._session is not None and self.token is not None  # noqa: S101 - open() has seen to it
        headers = {"Authorization": f"Bearer {self.token.access}", **options.pop("headers", {})}
        response = self._session.request(
            method, url, headers=headers, timeout=(CONNECT_SECONDS, REPLY_SECONDS), **options
        )
        response.raise_for_status()
        return response

    def read(self, response: requests.Response) -> dict[str, Any]:
        """The JSON object of a reply. Raises Broken where there is none."""
        try:
            found = response.json()
        except ValueError as error:
            raise mailboxes.Broken("The reply is no JSON.", response=response) from error
        if not isinstance(found, dict):
            raise mailboxes.Broken("The reply is no object.", response=response)
        return found


class MailboxTransport(ManyCalls):
    """Hands mails to one mailbox; see delivery.transports.base.Transport. For one thread."""

    def __init__(self, sender: Sender, provider: OAuthProvider, backend: type[MailboxBackend]) -> None:
        super().__init__(CALLS_AT_ONCE)
        self._sender = sender
        self._provider = provider
        self._backend = backend
        self._token: access.Token | None = None

    def _open_line(self) -> Line:
        return Line(self._backend(self._provider), time.monotonic())

    def _trouble_before(self, line: Line, mail: Mail) -> Answer | None:
        """Give the line a token that is good for five minutes; what stands in the way is the answer."""
        try:
            if self._token is None or not self._token.is_fresh():
                self._token = access.token(self._sender)
        except access.NoAccess as error:
            return Answer(mail.row_id, error.verdict, error=str(error))
        line.backend.token = self._token
        line.backend.tried_again = False
        return None

    def _trouble_again(self, line: Line, mail: Mail, answer: Answer) -> Answer | None:
        """Try once more with another token where the provider has refused this one, and so the mail."""
        backend = line.backend
        if not backend.unauthorized or backend.tried_again:
            return answer
        try:
            self._token = access.token(self._sender, refused=backend.token.access)
        except access.NoAccess as error:
            return Answer(mail.row_id, error.verdict, error=str(error))
        except Error as error:
            # Of the database. The other mails in flight are to be answered too.
            return Answer(mail.row_id, Verdict.UNAVAILABLE, error=f"No new token: {error}"[:ERROR_LENGTH])
        backend.token, backend.tried_again = self._token, True
        return None

    def _call(self, line: Line, mail: Mail) -> Answer:
        message = Message(mail.message)
        line.backend.unauthorized = False
        try:
            if line.is_stale():
                line.backend.close()
            line.backend.send_messages([message])
            return Answer(mail.row_id, Verdict.ACCEPTED, provider_id=provider_id(message.ids))
        except Exception as error:
            # With a second draft nobody could tell any more which of them was sent.
            line.backend.unauthorized = _is_unauthorized(error) and not message.ids
            return self._failed(line, mail, message, error)

    def _failed(self, line: Line, mail: Mail, message: Message, error: Exception) -> Answer:
        problem = mailboxes.classify(error, self._provider.name, mail.recipient)
        verdict = problem.verdict
        unsent_draft = message.ids and _is_unauthorized(error)
        if unsent_draft or (verdict is Verdict.UNKNOWN and not message.left):
            verdict = Verdict.NOT_SENT
        words = problem.error.replace(line.backend.token.access, "***")[:ERROR_LENGTH]
        # Of a draft that is still there, perhaps.
        ids = provider_id(message.ids) if verdict is Verdict.UNKNOWN else ""
        return Answer(mail.row_id, verdict, ids, words, problem.retry_after)


def provider_id(ids: Sequence[str]) -> str:
    """The ids of a message and of its thread as the ledger keeps them: in one column, with a space between.

    Only mailboxes have threads; a column of their own would be empty in nearly all rows. A thread's id
    that does not fit is left out.
    """
    both = " ".join(filter(None, ids))
    return both if len(both) <= PROVIDER_ID_LENGTH else ids[0][:PROVIDER_ID_LENGTH]


def why_not_ready(sender: Sender, provider: OAuthProvider) -> str:
    """Why nothing can be sent through the sender's mailbox, without asking anybody; empty when it can."""
    grant = Grant.objects.filter(pk=sender.pk).first()
    if grant is None or grant.provider != provider.name:
        return f"The mailbox {sender.from_email} is not connected. Connect it."
    if not provider.is_configured:
        setting = f"{provider.prefix}_CLIENT_ID"
        return f"This installation is not registered with {provider.label} any more ({setting})."
    if grant.account.lower() != sender.from_email.lower():
        return (
            f"The connected mailbox is {grant.account}, but mails come from {sender.from_email}. "
            "Reconnect it, or change the From address."
        )
    return ""


def check(sender: Sender, provider: OAuthProvider, backend: type[MailboxBackend]) -> str:
    """Ask the provider whose mailbox it is; what to tell the marketer, empty when all is well."""
    line = backend(provider)
    try:
        line.token = access.token(sender)
        try:
            line.account()
        except requests.HTTPError as error:
            if not _is_unauthorized(error):
                raise
            line.token = access.token(sender, refused=line.token.access)
            line.account()
    except access.NoAccess as error:
        return str(error)
    except requests.RequestException as error:
        return mailboxes.classify(error, provider.name, sender.from_email).error
    finally:
        line.close()
    return ""


def _is_unauthorized(error: Exception) -> bool:
    response = getattr(error, "response", None)
    return isinstance(response, requests.Response) and response.status_code == UNAUTHORIZED
