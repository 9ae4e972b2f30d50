"""Members: letting people in and go, always with an owner left and an entry in the audit log."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from audience import members
from audience.members import CannotAdd, LastOwner, Role
from audience.models import AuditEntry, Membership, Workspace
from tests.factories import MembershipFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


@pytest.fixture
def owner(workspace: Workspace) -> Membership:
    made: Membership = MembershipFactory(workspace=workspace)
    return made


def log() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", "thing"))


def test_an_account_that_exists_is_let_in_by_name_or_by_address(workspace: Workspace) -> None:
    ada = UserFactory(username="ada", email="Ada@example.com")
    grace = UserFactory(username="grace")
    assert members.add(workspace, " ada@example.COM ", Role.EDITOR).membership.user == ada
    added = members.add(workspace, "grace", Role.ANALYST)
    assert (added.membership.user, added.membership.role, added.is_new) == (grace, "analyst", False)
    assert log() == [("added", "audience.membership")] * 2


def test_for_an_unknown_address_an_account_without_a_password_is_made(workspace: Workspace) -> None:
    added = members.add(workspace, "new@example.com", Role.MANAGER)
    user = User.objects.get(username="new@example.com")
    assert added.is_new and added.membership.user == user
    assert (user.email, user.is_staff, user.is_superuser) == ("new@example.com", True, False)
    assert not user.has_usable_password() and members.waits_for_password(user)
    assert log() == [("added", "auth.user"), ("added", "audience.membership")]


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ("member", "is a member already"),
        ("twins@example.com", "Several accounts"),
        ("closed", "may not log in"),
        ("no-staff", "may not log in"),
        ("nobody", "write an e-mail address"),
        ("", "write an e-mail address"),
        (f"a@{'b' * 60}.{'c' * 60}.{'d' * 30}.example", "longer than 150"),
    ],
)
def test_somebody_who_cannot_be_let_in_changes_nothing(workspace: Workspace, who: str, says: str) -> None:
    MembershipFactory(workspace=workspace, user=UserFactory(username="member"))
    UserFactory.create_batch(2, email="twins@example.com")
    UserFactory(username="closed", is_active=False)
    UserFactory(username="no-staff", is_staff=False)
    before = User.objects.count(), Membership.objects.count()
    with pytest.raises(CannotAdd, match=says):
        members.add(workspace, who, Role.OWNER)
    assert (User.objects.count(), Membership.objects.count()) == before
    assert log() == []


def test_the_last_owner_can_neither_go_nor_become_less(owner: Membership) -> None:
    MembershipFactory(workspace=owner.workspace, role=Role.MANAGER)
    MembershipFactory(workspace=owner.workspace, user=UserFactory(is_active=False))
    MembershipFactory(workspace=WorkspaceFactory(slug="other"))
    with pytest.raises(LastOwner):
        members.remove(owner)
    with pytest.raises(LastOwner):
        members.change_role(owner, Role.MANAGER)
    owner.refresh_from_db()
    assert owner.role == Role.OWNER and log() == []


def test_with_another_owner_beside_them_an_owner_may_go(owner: Membership) -> None:
    second = MembershipFactory(workspace=owner.workspace)
    members.change_role(owner, Role.ANALYST)
    assert members.is_last_owner(second) and not members.is_last_owner(owner)
    members.remove(owner)
    assert list(members.of(owner.workspace)) == [second]
    changed, deleted = AuditEntry.objects.order_by("pk")
    assert (changed.before, changed.after) == ({"role": "owner"}, {"role": "analyst"})
    assert (deleted.action, deleted.before) == ("deleted", {"role": "analyst"})


def test_the_same_role_again_leaves_no_trace(owner: Membership) -> None:
    members.change_role(owner, Role.OWNER)
    assert log() == []


def test_owners_come_first(owner: Membership) -> None:
    analyst = MembershipFactory(workspace=owner.workspace, role=Role.ANALYST, user__username="a")
    editor = MembershipFactory(workspace=owner.workspace, role=Role.EDITOR, user__username="b")
    assert list(members.of(owner.workspace)) == [owner, editor, analyst]
