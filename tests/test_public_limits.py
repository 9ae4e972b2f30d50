"""What anybody may ask for without a log-in is limited for each address; unsubscribing never is."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.test import Client

from audience import throttle
from audience.models import Customer, Workspace
from campaigns import images
from campaigns.content import qr
from delivery import tokens
from tests.campaigns.pictures import png
from tests.factories import CustomerFactory, SignupFormFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
# Of the open Internet: inner addresses are proxies, and are not counted.
THERE, ELSEWHERE = "198.41.0.4", "199.7.83.42"


def _token(workspace: Workspace) -> str:
    customer = CustomerFactory(workspace=workspace)
    return tokens.make(tokens.Reference(workspace.pk, customer.pk, 1))


def _picture(workspace: Workspace) -> str:
    return urlsplit(images.address(images.keep(workspace, "a.png", png(4, 4)))).path


def _code(workspace: Workspace) -> str:
    code = qr.of_customer(workspace.pk, CustomerFactory(workspace=workspace).pk)
    return urlsplit(code.source).path


ADDRESSES: dict[str, Callable[[Workspace], str]] = {
    "a pixel": lambda workspace: f"/o/{_token(workspace)}",
    "a link": lambda workspace: f"/c/{_token(workspace)}/1",
    "a mail in the browser": lambda workspace: f"/v/{_token(workspace)}",
    "a sign-up form": lambda workspace: f"/sign-up/{SignupFormFactory(workspace=workspace).public_id}/",
    "its frame": lambda workspace: f"/sign-up/{SignupFormFactory(workspace=workspace).public_id}/frame/",
    "a confirmation": lambda workspace: "/confirm/nothing/",
    "a report of a provider": lambda workspace: "/hooks/nobody/knows/",
    "the API": lambda workspace: "/api/senders",
    "a picture": _picture,
    "a code": _code,
    "unsubscribing": lambda workspace: f"/u/{_token(workspace)}",
}
NEVER_REFUSED = "unsubscribing"
# Answered as ever, and only not counted: nobody learns anything, and no mail looks broken.
NOT_COUNTED = "a pixel"


@pytest.fixture(autouse=True)
def nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address has had all that it may have."""
    monkeypatch.setattr(throttle, "may_here", lambda rate, what, address: address != THERE)


@pytest.mark.parametrize("name", ADDRESSES)
def test_who_asks_too_often_is_refused_but_for_an_unsubscribe(name: str) -> None:
    address = ADDRESSES[name](WorkspaceFactory())
    refused = Client(REMOTE_ADDR=THERE).get(address).status_code
    assert refused == (200 if name in (NEVER_REFUSED, NOT_COUNTED) else 429)
    assert Client(REMOTE_ADDR=ELSEWHERE).get(address).status_code != 429


def test_an_unsubscribe_from_a_flooding_address_is_done() -> None:
    address = ADDRESSES[NEVER_REFUSED](WorkspaceFactory())
    assert Client(REMOTE_ADDR=THERE).post(address).status_code == 200
    assert not Customer.objects.get().subscribed
