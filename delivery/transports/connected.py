"""Stage 7 for senders whose mailbox its owner has connected: which backend, and whether it may be used."""

from __future__ import annotations

from campaigns.models import Sender
from campaigns.oauth import OAuthProvider, provider_of
from delivery import access
from delivery.transports import mailboxes
from delivery.transports.base import SenderUnusable, Transport
from delivery.transports.gmail import GmailBackend
from delivery.transports.microsoft import MicrosoftBackend

BACKENDS: dict[str, type[mailboxes.MailboxBackend]] = {
    Sender.Transport.GMAIL: GmailBackend,
    Sender.Transport.MICROSOFT: MicrosoftBackend,
}


def transport(sender: Sender, provider: OAuthProvider) -> Transport:
    """The way out through the mailbox. Raises SenderUnusable; touches no network."""
    _ensure_ready(sender, provider)
    return mailboxes.MailboxTransport(sender, provider, BACKENDS[provider.name])


def problem(sender: Sender, provider: OAuthProvider) -> str | None:
    """What the provider says against using the mailbox, in words; None: nothing. Raises SenderUnusable."""
    _ensure_ready(sender, provider)
    return mailboxes.check(sender, provider, BACKENDS[provider.name]) or None


def backend_for(sender: Sender, provider: OAuthProvider) -> mailboxes.MailboxBackend:
    """A session with the sender's mailbox, not opened yet. Raises SenderUnusable."""
    _ensure_ready(sender, provider)
    return BACKENDS[provider.name](provider)


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
    if words := mailboxes.why_not_ready(sender, provider):
        raise SenderUnusable(words)
