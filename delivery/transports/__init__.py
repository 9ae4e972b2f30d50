"""Stage 7: the way out that belongs to a sender.

What calls providers over HTTP takes memory that a worker which speaks SMTP does not need, so it is imported
for senders that have it (decision 11).
"""

from __future__ import annotations

import idna
from django.conf import settings

from audience.credentials import CredentialsUnreadable
from campaigns.models import Sender
from campaigns.oauth import provider_of
from campaigns.senders import is_loopback
from delivery.transports import smtp
from delivery.transports.base import SenderUnusable, Transport

__all__ = ["SenderUnusable", "check", "transport_for"]


def transport_for(sender: Sender) -> Transport:
    """The transport of a sender, not connected yet. Raises SenderUnusable; touches no network."""
    if provider := provider_of(sender):
        from delivery.transports import connected

        return connected.transport(sender, provider)
    match sender.transport:
        case Sender.Transport.MAILBOX:
            return smtp.SmtpTransport(_mailbox(), settings.SMTP_CONNECTIONS)
        case Sender.Transport.ESP:
            from delivery.transports import services

            return services.transport(sender)
        case _:
            return smtp.SmtpTransport(_smtp_server(sender), settings.SMTP_CONNECTIONS)


def check(sender: Sender) -> str | None:
    """Connect, log in and take leave; None when that worked, else what to tell the marketer.

    Sends no mail and writes nothing; what an SMTP server says of the size of mails stands on the sender
    afterwards. Takes seconds when the server is silent.
    """
    try:
        if provider := provider_of(sender):
            from delivery.transports import connected

            return connected.problem(sender, provider)
        match sender.transport:
            case Sender.Transport.MAILBOX:
                return _smtp_problem(sender, _mailbox())
            case Sender.Transport.ESP:
                from delivery.transports import services

                return services.problem(sender)
            case _:
                return _smtp_problem(sender, _smtp_server(sender))
    except SenderUnusable as error:
        return str(error)


def _smtp_problem(sender: Sender, server: smtp.Server) -> str | None:
    checked = smtp.check(server)
    sender.announced_size = checked.announced_size
    return str(checked.problem) if checked.problem else None


def _mailbox() -> smtp.Server:
    return smtp.Server(settings.MAILBOX_HOST, settings.MAILBOX_PORT, is_own=True)


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
