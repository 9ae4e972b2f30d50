"""Stage 7 for senders that leave through an e-mail service: the service as the sender has set it up."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from audience.credentials import CredentialsUnreadable
from campaigns.models import Sender
from delivery.transports import esp_check
from delivery.transports.base import SenderUnusable, Transport
from delivery.transports.esp import EspTransport, Service, as_sent, service_of, without


def transport(sender: Sender) -> Transport:
    """The way out through the service. Raises SenderUnusable; touches no network."""
    try:
        return EspTransport(_service(sender), settings.ESP_CONNECTIONS)
    except (ImproperlyConfigured, ValueError) as error:
        raise SenderUnusable(str(error)) from error


def problem(sender: Sender) -> str | None:
    """What the service says against the sender's key, in words; None: nothing. Raises SenderUnusable."""
    service = _service(sender)
    found = esp_check.check(service, sender.from_email)
    return without(as_sent(service), found.error) if found else None


def _service(sender: Sender) -> Service:
    try:
        return service_of(sender)
    except (CredentialsUnreadable, ImproperlyConfigured) as error:
        raise SenderUnusable(str(error)) from error
