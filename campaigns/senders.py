"""Senders: what their settings must not be, and how those that delivery has stopped come back."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from campaigns.models import Sender


def reinstate(sender: Sender) -> bool:
    """Let a stopped sender be used again, because somebody has mended it. False when it was not stopped."""
    mended = Sender.objects.filter(pk=sender.pk, state=Sender.State.STOPPED).update(
        state=Sender.State.UNVERIFIED, last_error=""
    )
    sender.refresh_from_db(fields=["state", "last_error"])
    return bool(mended)


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
    return ""
