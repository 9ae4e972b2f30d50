"""Senders: what their settings must not be, and how those that delivery has stopped come back."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.db import transaction

from audience import audit
from campaigns import egress
from campaigns.models import Grant, Sender
from campaigns.oauth import provider_of


def reinstate(sender: Sender) -> bool:
    """Let a stopped sender be used again, because somebody has mended it. False when it was not stopped."""
    with transaction.atomic():
        mended = Sender.objects.filter(pk=sender.pk, state=Sender.State.STOPPED).update(
            state=Sender.State.UNVERIFIED, last_error=""
        )
        if mended:
            before, after = {"state": Sender.State.STOPPED}, {"state": Sender.State.UNVERIFIED}
            audit.changed(sender, before, after, workspace=sender.workspace_id)
    sender.refresh_from_db(fields=["state", "last_error"])
    return bool(mended)


def await_connection(sender: Sender) -> bool:
    """Let the state say whether the sender's mailbox is connected, after its settings have changed.

    One that is not, or not as the From address, cannot be used until it is; a sender that needs no
    connection any more may be tried, and what its mailbox's owner had allowed is forgotten. Commits;
    may be repeated. True when it waits for a connection.
    """
    provider = provider_of(sender)
    grant = Grant.objects.filter(pk=sender.pk).first()
    rows = Sender.objects.filter(pk=sender.pk)
    if provider is None:
        _forget(sender, grant)
        rows.filter(state=Sender.State.RECONNECT).update(state=Sender.State.UNVERIFIED, last_error="")
    elif grant is None or (grant.provider, grant.account.lower()) != (
        provider.name,
        sender.from_email.lower(),
    ):
        rows.update(state=Sender.State.RECONNECT, last_error=_not_connected(sender, grant))
    sender.refresh_from_db(fields=["state", "last_error"])
    return sender.state == Sender.State.RECONNECT


@transaction.atomic
def _forget(sender: Sender, grant: Grant | None) -> None:
    if grant is not None and Grant.objects.filter(pk=sender.pk).delete()[0]:
        before = {"account": grant.account}
        audit.record("mailbox disconnected", sender, workspace=sender.workspace_id, before=before)


def _not_connected(sender: Sender, grant: Grant | None) -> str:
    if grant is None:
        return f"The mailbox {sender.from_email} is not connected yet."
    return f"The connected mailbox is {grant.account}, but mails are to come from {sender.from_email}."


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine, without asking anybody."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def api_url_problem(api_url: str) -> str:
    """Why a service must not be called at this address, in a sentence that says what to do; else empty."""
    address = urlsplit(api_url)
    if "@" in address.netloc:
        return "Enter the API address without a user name; the key has a field of its own."
    if address.scheme == "http" and not is_loopback(address.hostname or ""):
        return f"The key would cross the network to {address.hostname} unencrypted. Begin with https."
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
    except ValueError:
        return "The port of the API address is no number up to 65535. Correct it."
    return egress.literal_problem(address.hostname, port) if address.hostname else ""
