"""“Test connection” on a sender's page."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from audience.models import Membership
from campaigns.models import Sender
from delivery.mailbox.store import MailboxStore
from tests.delivery.staff import member, stranger
from tests.factories import SenderFactory

pytestmark = pytest.mark.django_db
State = Sender.State


def verify(sender: Sender, role: Membership.Role = Membership.Role.EDITOR) -> str:
    page = member(sender.workspace, role).post(f"/senders/{sender.pk}/verify/", follow=True)
    sender.refresh_from_db()
    return page.content.decode()


@pytest.mark.parametrize("before", State.values)
def test_server_that_answers_makes_the_sender_ready(mailbox: MailboxStore, before: str) -> None:
    sender = SenderFactory(state=before, last_error="535 refused")
    assert "The sender is ready" in verify(sender)
    assert (sender.state, sender.last_error) == (State.READY, "")
    assert mailbox.count() == 0


@pytest.mark.parametrize(
    ("before", "after"), [(State.READY, State.UNVERIFIED), (State.STOPPED, State.STOPPED)]
)
def test_server_that_does_not_answer_is_said_in_words(before: str, after: str, settings: Settings) -> None:
    settings.MAILBOX_PORT = 9
    sender = SenderFactory(state=before)
    assert "The test failed." in verify(sender)
    assert sender.state == after
    assert sender.last_error


def test_only_those_who_may_edit_test_a_sender(mailbox: MailboxStore) -> None:
    sender = SenderFactory(state=State.UNVERIFIED)
    verify(sender, Membership.Role.ANALYST)
    assert sender.state == State.UNVERIFIED
    url = f"/senders/{sender.pk}/verify/"
    assert stranger().post(url).status_code == 404
    assert member(sender.workspace).get(url).status_code == 405


def test_an_e_mail_services_settings_are_looked_through_and_proven_by_no_call() -> None:
    sender = SenderFactory(transport="esp", esp="postmark", state=State.STOPPED, last_error="401")
    assert "Server API token" in verify(sender)
    sender.set_credentials({"server_token": "key"})
    sender.save(update_fields=["sealed_credentials"])
    assert "The settings are complete." in verify(sender)
    assert (sender.state, sender.last_error) == (State.STOPPED, "401")
