"""Stage 7: Anymail's own backends, each with a session of its own and nothing that calls twice."""

from __future__ import annotations

import base64
import email
import email.message
import email.policy
import uuid
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from typing import Any

import requests
from anymail.message import AnymailMessage
from anymail.utils import Attachment
from django.utils.module_loading import import_string

from campaigns.esps import Esp
from delivery import sessions
from delivery.transports import esp_parts
from delivery.transports.base import Mail

CONNECT_SECONDS = 10
REPLY_SECONDS = 30
# Headers that go along; what else a mail has, the service makes or is told in other ways.
OWN_HEADERS = {
    "list-unsubscribe": "List-Unsubscribe",
    "list-unsubscribe-post": "List-Unsubscribe-Post",
    "list-id": "List-Id",
    "feedback-id": "Feedback-ID",
}
# Written as it was read: folding is ours, and relays break folded List-Unsubscribe headers.
UNFOLDED = email.policy.compat32.clone(max_line_length=0)
# Under this name the service's webhooks give us the ledger row back.
ROW = "row"


class Message(AnymailMessage):  # type: ignore[misc]
    """A mail as Anymail wants it. `called` says whether the service may have been called with it."""

    def __init__(self, mail: Mail, esp: Esp) -> None:
        """Raises delivery.transports.esp_parts.NotOurs."""
        parts = esp_parts.read(mail.own)
        own = parts.headers
        super().__init__(
            subject=esp_parts.decoded(own["subject"]),
            body=parts.text,
            from_email=esp_parts.mailbox(own["from"]),
            to=[esp_parts.mailbox(own["to"])],
            reply_to=[esp_parts.mailbox(own["reply-to"])] if "reply-to" in own else None,
            headers=_own_headers(own, esp),
        )
        self.attach_alternative(parts.html, "text/html")
        if esp.metadata:
            self.metadata = {ROW: str(mail.row_id)}
        else:
            self.tags = [f"{ROW}-{mail.row_id}"]
        self.http_headers: dict[str, str] = {}
        if esp.idempotency_http_header:
            self.http_headers[esp.idempotency_http_header] = _idempotency_key(own["message-id"])
        self.called = False
        self._mail = mail
        self.files = [*map(Enclosed, parts.files), *_shared(mail.tail)]

    def message(self) -> email.message.Message:
        """The very bytes that were built, for a service that takes them whole (Amazon)."""
        return email.message_from_bytes(self._mail.message, policy=UNFOLDED)


class Enclosed(Attachment):  # type: ignore[misc]
    """A file as Anymail's payloads want it; what mails share is encoded for the first of them."""

    def __init__(self, file: esp_parts.File) -> None:
        mimetype = file.content_type.partition(";")[0]
        super().__init__((file.name, file.data, mimetype))
        self.inline, self.cid = bool(file.cid), file.cid
        self.content_id = f"<{file.cid}>" if file.cid else None

    @cached_property
    def b64content(self) -> str:
        return base64.b64encode(self.content_bytes).decode("ascii")

    @property
    def b64content_utf8(self) -> str:
        return self.b64content


@lru_cache(maxsize=4)
def _shared(tail: bytes) -> tuple[Enclosed, ...]:
    return tuple(map(Enclosed, esp_parts.files_of(tail))) if tail else ()


def _own_headers(own: Mapping[str, str], esp: Esp) -> dict[str, str]:
    headers = {OWN_HEADERS[name]: value for name, value in own.items() if name in OWN_HEADERS}
    # Encoded words in it would be encoded once more, or refused; the name is for people only (RFC 2919).
    if "=?" in headers.get("List-Id", ""):
        headers["List-Id"] = headers["List-Id"][headers["List-Id"].rindex("<") :]
    if esp.message_id:
        headers["Message-ID"] = own["message-id"]
    if esp.idempotency_mail_header:
        headers[esp.idempotency_mail_header] = _idempotency_key(own["message-id"])
    return {name: value for name, value in headers.items() if name.lower() not in esp.refuses}


def _idempotency_key(message_id: str) -> str:
    """The same for every attempt at a row, as its Message-ID is; Brevo wants a UUID."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mid:{message_id}"))


def make_backend(esp: Esp, credentials: Mapping[str, str], api_url: str, connections: int) -> Any:
    """A backend, not connected yet. Raises ImproperlyConfigured; touches no network."""
    if esp.name == "amazon_ses":
        options = _amazon_options(credentials, api_url, connections)
    else:
        options = {**credentials, "timeout": (CONNECT_SECONDS, REPLY_SECONDS)}
        if api_url:
            options["api_url"] = api_url
    # Refusals are read from the status: the exception for them does not say more.
    return backend_class(esp.name)(ignore_recipient_status=True, **options)


@cache
def backend_class(name: str) -> type[Any]:
    """Anymail's backend for a service, with our manners. Raises ImproperlyConfigured."""
    base = import_string(f"anymail.backends.{name}.EmailBackend")
    mixins = (_Amazon, _Noted) if name == "amazon_ses" else (_Session, _Noted)
    return type("EmailBackend", (*mixins, base), {})


def _amazon_options(credentials: Mapping[str, str], api_url: str, connections: int) -> dict[str, Any]:
    return {
        "configuration_set_name": credentials.get("configuration_set_name"),
        "session_params": {
            "aws_access_key_id": credentials["access_key_id"],
            "aws_secret_access_key": credentials["secret_access_key"],
            "region_name": credentials["region"],
        },
        "client_params": {
            "endpoint_url": api_url or None,
            "config": {
                # Its client tries three times by itself, also after a time-out: three mails.
                "retries": {"total_max_attempts": 1},
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": REPLY_SECONDS,
                "max_pool_connections": connections,
            },
        },
    }


class _Noted:
    """Notes on the message that the service is about to be called."""

    def post_to_esp(self, payload: Any, message: Message) -> Any:
        message.called = True
        return super().post_to_esp(payload, message)  # type: ignore[misc]


class _Amazon:
    """Amazon's own client, which reaches no inner address either."""

    client: Any

    def open(self) -> bool | None:
        opened: bool | None = super().open()  # type: ignore[misc]
        if opened:
            manager = self.client._endpoint.http_session._manager
            manager.pool_classes_by_scheme = _amazon_pools()
        return opened


@cache
def _amazon_pools() -> dict[str, type[Any]]:
    """Amazon's kinds of connections, guarded; it is imported by those who send through it only."""
    pools = import_string("botocore.httpsession.URLLib3Session")()._pool_classes_by_scheme
    return {scheme: _guarded(pool) for scheme, pool in pools.items()}


def _guarded(pool: type[Any]) -> type[Any]:
    connection = type("Connection", (sessions.Guarded, pool.ConnectionCls), {})
    return type("Pool", (pool,), {"ConnectionCls": connection})


class _Session:
    """One session of `requests`, whose environment is read once and not before every call."""

    api_url: str

    def create_session(self) -> requests.Session:
        session: requests.Session = super().create_session()  # type: ignore[misc]
        sessions.prepare(session, self.api_url, typed=True)
        return session

    def build_message_payload(self, message: Message, defaults: Any) -> Any:
        payload = super().build_message_payload(message, defaults)  # type: ignore[misc]
        if message.http_headers:
            payload.headers.update(message.http_headers)
        if message.files:
            # Not by way of the message, which would encode them for each mail.
            payload.set_attachments(message.files)
        return payload
