"""People who open the pages."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.test import Client

from audience.models import Membership, Workspace
from delivery.mailbox.store import MailboxStore
from tests.factories import MembershipFactory, UserFactory, WorkspaceFactory


def member(workspace: Workspace | None = None, role: Membership.Role = Membership.Role.OWNER) -> Client:
    """A browser in which a member of one workspace is logged in."""
    client = Client()
    membership = MembershipFactory(workspace=workspace or WorkspaceFactory(), role=role)
    client.force_login(membership.user)
    return client


def superuser() -> Client:
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    return client


def stranger() -> Client:
    """A member of another workspace."""
    return member(WorkspaceFactory(slug="elsewhere"))


def source(store: MailboxStore, message_id: int) -> bytes | None:
    """A message as it was received."""
    found = store.find(message_id)
    return found[1] if found else None


def customer_of_the_site() -> Client:
    """Logged in, but no staff."""
    client = Client()
    client.force_login(get_user_model().objects.create_user("no-staff"))
    return client
