"""Senders whose mailboxes are connected to a stub of their provider, and the way there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns.models import Grant, Sender
from campaigns.oauth import PROVIDERS
from tests.factories import SenderFactory
from tests.google_stub import GoogleStub
from tests.microsoft_stub import MicrosoftStub

STUBS: dict[str, type[GoogleStub] | type[MicrosoftStub]] = {"gmail": GoogleStub, "microsoft": MicrosoftStub}


def unconnected(stub: GoogleStub | MicrosoftStub, settings: Settings, **columns: Any) -> Sender:
    """A sender whose provider is the stub, for the stub's account."""
    stub.point(settings)
    transport = "gmail" if isinstance(stub, GoogleStub) else "microsoft"
    columns = {"from_email": stub.account, "transport": transport, "state": "reconnect", **columns}
    sender: Sender = SenderFactory(**columns)
    return sender


def connected(
    stub: GoogleStub | MicrosoftStub,
    settings: Settings,
    *,
    may_look_up: bool = True,
    ends_in: timedelta = timedelta(hours=1),
    **columns: Any,
) -> Sender:
    """One whose owner has consented, with tokens that the stub knows."""
    sender = unconnected(stub, settings, **{"state": "ready", **columns})
    told = stub._tokens("")
    grant = Grant(
        sender=sender,
        provider=PROVIDERS[sender.transport].name,
        account=sender.from_email,
        expires_at=timezone.now() + ends_in,
        may_look_up=may_look_up,
    )
    grant.set_tokens({"access": str(told["access_token"]), "refresh": str(told["refresh_token"])})
    grant.save(force_insert=True)
    return sender


def tokens(sender: Sender) -> dict[str, str]:
    """As they are kept now."""
    return Grant.objects.get(pk=sender.pk).tokens()


def begin(staff: Client, sender: Sender) -> str:
    """Press “Connect”; the address of the provider's page."""
    page = staff.post(f"/senders/{sender.pk}/connect/")
    assert page.status_code == 302
    return page.headers["Location"]


def come_back(staff: Client, address: str) -> str:
    """Follow the provider's redirect; what the page then says."""
    where = urlsplit(address)
    return staff.get(f"{where.path}?{where.query}", follow=True).text


def connect(staff: Client, sender: Sender, stub: GoogleStub | MicrosoftStub, choice: str = "Allow") -> str:
    return come_back(staff, stub.consent(begin(staff, sender), choice))
