"""Stage 7: the way out that belongs to a sender."""

from __future__ import annotations

import ipaddress

import idna
from django.conf import settings

from campaigns.credentials import CredentialsUnreadable
from campaigns.models import Sender
from delivery.errors import Problem
from delivery.transports.base import Transport
from delivery.transports.smtp import Server, Session, SmtpTransport

__all__ = ["SenderUnusable", "check", "transport_for"]


class SenderUnusable(Exception):
    """Nothing can be sent with this sender as it is set; the message says what to change."""


def transport_for(sender: Sender) -> Transport:
    """The transport of a sender, not connected yet. Raises SenderUnusable; touches no network."""
    return SmtpTransport(_server(sender))


def check(sender: Sender) -> str | None:
    """Connect, log in and take leave; None when that worked, else what to tell the marketer.

    Sends no mail and writes nothing. Takes seconds when the server is silent.
    """
    try:
        Session(_server(sender)).quit()
    except (SenderUnusable, Problem) as problem:
        return str(problem)
    return None


def _server(sender: Sender) -> Server:
    if sender.transport == Sender.Transport.MAILBOX:
        return Server(settings.MAILBOX_HOST, settings.MAILBOX_PORT)
    if not sender.host:
        raise SenderUnusable("The sender has no SMTP server. Enter its host.")
    if sender.username and sender.security == Sender.Security.NONE and not _is_local(sender.host):
        raise SenderUnusable(
            f"The password would cross the network to {sender.host} unencrypted. Choose STARTTLS or TLS."
        )
    try:
        password = sender.password()
    except CredentialsUnreadable as error:
        raise SenderUnusable(str(error)) from error
    return Server(
        sender.host, sender.port, sender.security, sender.username, password, _ehlo_name(sender.from_email)
    )


def _ehlo_name(from_email: str) -> str:
    """The From address's domain in ASCII: the name by which servers can judge who is calling."""
    try:
        return idna.encode(from_email.rpartition("@")[2], uts46=True).decode()
    except idna.IDNAError:
        return "localhost"


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
