"""Stage 7: the way out that belongs to a sender."""

from __future__ import annotations

import idna
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from campaigns.credentials import CredentialsUnreadable
from campaigns.models import Sender
from campaigns.oauth import OAuthProvider, provider_of
from campaigns.senders import is_loopback
from delivery import access
from delivery.transports import esp_check, mailboxes, smtp
from delivery.transports.base import Transport
from delivery.transports.esp import EspTransport, Service, as_sent, service_of, without
from delivery.transports.gmail import GmailBackend
from delivery.transports.microsoft import MicrosoftBackend

__all__ = ["SenderUnusable", "backend_for", "check", "readable_mailbox", "transport_for"]

MAILBOX_BACKENDS: dict[str, type[mailboxes.MailboxBackend]] = {
    Sender.Transport.GMAIL: GmailBackend,
    Sender.Transport.MICROSOFT: MicrosoftBackend,
}


class SenderUnusable(Exception):
    """Nothing can be sent with this sender as it is set; the message says what to change."""


def transport_for(sender: Sender) -> Transport:
    """The transport of a sender, not connected yet. Raises SenderUnusable; touches no network."""
    if provider := provider_of(sender):
        _ensure_ready(sender, provider)
        return mailboxes.MailboxTransport(sender, provider, MAILBOX_BACKENDS[provider.name])
    match sender.transport:
        case Sender.Transport.MAILBOX:
            return smtp.SmtpTransport(_mailbox(), settings.SMTP_CONNECTIONS)
        case Sender.Transport.ESP:
            return _esp_transport(sender)
        case _:
            return smtp.SmtpTransport(_smtp_server(sender), settings.SMTP_CONNECTIONS)


def check(sender: Sender) -> str | None:
    """Connect, log in and take leave; None when that worked, else what to tell the marketer.

    Sends no mail and writes nothing; what an SMTP server says of the size of mails stands on the sender
    afterwards. Takes seconds when the server is silent.
    """
    try:
        if provider := provider_of(sender):
            _ensure_ready(sender, provider)
            return mailboxes.check(sender, provider, MAILBOX_BACKENDS[provider.name]) or None
        match sender.transport:
            case Sender.Transport.MAILBOX:
                return _smtp_problem(sender, _mailbox())
            case Sender.Transport.ESP:
                return _esp_problem(sender)
            case _:
                return _smtp_problem(sender, _smtp_server(sender))
    except SenderUnusable as error:
        return str(error)


def _smtp_problem(sender: Sender, server: smtp.Server) -> str | None:
    checked = smtp.check(server)
    sender.announced_size = checked.announced_size
    return str(checked.problem) if checked.problem else None


def _esp_problem(sender: Sender) -> str | None:
    service = _service(sender)
    problem = esp_check.check(service, sender.from_email)
    return without(as_sent(service), problem.error) if problem else None


def backend_for(sender: Sender, provider: OAuthProvider) -> mailboxes.MailboxBackend:
    """A session with the sender's mailbox, not opened yet. Raises SenderUnusable."""
    _ensure_ready(sender, provider)
    return MAILBOX_BACKENDS[provider.name](provider)


def readable_mailbox(sender: Sender) -> mailboxes.MailboxBackend | None:
    """A session with the sender's mailbox that may look into it; None when there is none now.

    May renew the access (delivery.access), so no transaction may be open.
    """
    provider = provider_of(sender)
    if provider is None:
        return None
    try:
        backend = backend_for(sender, provider)
        backend.token = access.token(sender)
    except (SenderUnusable, access.NoAccess):
        return None
    return backend if backend.token.may_look_up else None


def _ensure_ready(sender: Sender, provider: OAuthProvider) -> None:
    if problem := mailboxes.why_not_ready(sender, provider):
        raise SenderUnusable(problem)


def _mailbox() -> smtp.Server:
    return smtp.Server(settings.MAILBOX_HOST, settings.MAILBOX_PORT)


def _esp_transport(sender: Sender) -> EspTransport:
    try:
        return EspTransport(_service(sender), settings.ESP_CONNECTIONS)
    except (ImproperlyConfigured, ValueError) as error:
        raise SenderUnusable(str(error)) from error


def _service(sender: Sender) -> Service:
    try:
        return service_of(sender)
    except (CredentialsUnreadable, ImproperlyConfigured) as error:
        raise SenderUnusable(str(error)) from error


def _smtp_server(sender: Sender) -> smtp.Server:
    if not sender.host:
        raise SenderUnusable("The sender has no SMTP server. Enter its host.")
    if sender.username and sender.security == Sender.Security.NONE and not is_loopback(sender.host):
        raise SenderUnusable(
            f"The password would cross the network to {sender.host} unencrypted. Choose STARTTLS or TLS."
        )
    try:
        password = sender.password()
    except CredentialsUnreadable as error:
        raise SenderUnusable(str(error)) from error
    return smtp.Server(
        sender.host, sender.port, sender.security, sender.username, password, _ehlo_name(sender.from_email)
    )


def _ehlo_name(from_email: str) -> str:
    """The From address's domain in ASCII: the name by which servers can judge who is calling."""
    try:
        return idna.encode(from_email.rpartition("@")[2], uts46=True).decode()
    except idna.IDNAError:
        return "localhost"
