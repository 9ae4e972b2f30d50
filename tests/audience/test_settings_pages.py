"""The settings of a workspace: read by members, changed by owners, each change in the audit log."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from audience.models import AuditEntry, ContactPolicy, Membership, Workspace
from tests.delivery.staff import member, stranger, superuser
from tests.factories import MembershipFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
Role = Membership.Role
GENERAL = {"name": "Acme", "slug": "acme", "postal_address": "", "time_zone": "UTC", "tracked": "on"}
POLICY = {"cap_days": "7", "cap_action": "skip", "quiet_action": "move"}


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


@pytest.fixture
def owner(workspace: Workspace) -> Client:
    return member(workspace)


def post(client: Client, name: str, /, *args: Any, **data: str) -> Any:
    return client.post(reverse(f"audience:{name}", args=args), data, follow=True)


def changes() -> list[tuple[Any, Any]]:
    return list(AuditEntry.objects.filter(action="changed").order_by("pk").values_list("before", "after"))


def test_the_settings_lead_to_the_workspace_at_hand(owner: Client, workspace: Workspace) -> None:
    assert owner.get("/settings/").url == f"/settings/{workspace.pk}/"


def test_an_owner_changes_the_workspace_and_the_log_knows_it(owner: Client, workspace: Workspace) -> None:
    given = {**GENERAL, "time_zone": "Europe/Berlin", "postal_address": "12 Mill Lane"}
    assert "Saved." in post(owner, "general", workspace.pk, **given).text
    workspace.refresh_from_db()
    assert (workspace.time_zone, workspace.postal_address) == ("Europe/Berlin", "12 Mill Lane")
    assert changes() == [
        (
            {"time_zone": "UTC", "postal_address": ""},
            {"time_zone": "Europe/Berlin", "postal_address": "12 Mill Lane"},
        )
    ]
    assert "Nothing was different" in post(owner, "general", workspace.pk, **given).text
    assert len(changes()) == 1


@pytest.mark.parametrize(
    ("field", "value"), [("time_zone", "Mars"), ("slug", "a b"), ("name", ""), ("slug", "taken")]
)
def test_what_is_wrong_is_said_and_nothing_is_saved(
    owner: Client, workspace: Workspace, field: str, value: str
) -> None:
    WorkspaceFactory(slug="taken")
    shown = post(owner, "general", workspace.pk, **{**GENERAL, "postal_address": "x", field: value})
    assert shown.status_code == 422 and field in shown.context["form"].errors
    workspace.refresh_from_db()
    assert workspace.postal_address == "" and changes() == []


def test_an_owner_sets_hours_and_caps(owner: Client, workspace: Workspace) -> None:
    given = {**POLICY, "cap_mails": "3", "quiet_from": "21:00", "quiet_until": "08:00"}
    post(owner, "mailing", workspace.pk, **given)
    policy = ContactPolicy.objects.get()
    assert (policy.cap_mails, policy.cap_days, str(policy.quiet_from)) == (3, 7, "21:00:00")
    shown = owner.get(f"/settings/{workspace.pk}/mailing/").text
    assert 'value="21:00"' in shown and 'value="08:00"' in shown
    post(owner, "mailing", workspace.pk, **POLICY)
    policy.refresh_from_db()
    assert policy.cap_mails is None and policy.quiet_from is None
    assert len(changes()) == 2


def test_hours_without_an_end_are_refused(owner: Client, workspace: Workspace) -> None:
    shown = post(owner, "mailing", workspace.pk, **POLICY, quiet_from="21:00")
    assert shown.status_code == 422 and "need a beginning and an end" in shown.text
    assert not ContactPolicy.objects.exists()


@pytest.mark.parametrize("page", ["general", "mailing", "members"])
def test_members_read_what_owners_change(workspace: Workspace, page: str) -> None:
    manager = member(workspace, Role.MANAGER)
    shown = manager.get(reverse(f"audience:{page}", args=[workspace.pk]))
    assert shown.status_code == 200 and "Owners may change them" in shown.text
    assert stranger().get(reverse(f"audience:{page}", args=[workspace.pk])).status_code == 404


def test_nobody_but_an_owner_changes_anything(workspace: Workspace) -> None:
    membership = MembershipFactory(workspace=workspace, role=Role.ANALYST)
    manager, other = member(workspace, Role.MANAGER), stranger()
    for name, *args in (
        ("general", workspace.pk),
        ("mailing", workspace.pk),
        ("member_add", workspace.pk),
        ("member_role", workspace.pk, membership.pk),
        ("member_remove", workspace.pk, membership.pk),
        ("member_invite", workspace.pk, membership.pk),
    ):
        assert post(manager, name, *args).status_code == 403, name
        assert post(other, name, *args).status_code == 404, name


def test_somebody_new_gets_a_link_by_mail_and_nowhere_else(
    owner: Client, workspace: Workspace, mailoutbox: list[Any]
) -> None:
    said = post(owner, "member_add", workspace.pk, who="new@example.com", role="editor").text
    user = User.objects.get(username="new@example.com")
    [sent] = mailoutbox
    [link] = [line for line in str(sent.body).split() if "/account/password/" in line]
    assert sent.to == ["new@example.com"] and "/account/password/" not in said
    assert Membership.objects.get(user=user).role == "editor"
    anybody = Client()
    path = anybody.get(urlsplit(link).path).url
    password = {"new_password1": "a long pass phrase", "new_password2": "a long pass phrase"}
    anybody.post(path, password)
    user.refresh_from_db()
    assert user.check_password("a long pass phrase")
    post(owner, "member_invite", workspace.pk, Membership.objects.get(user=user).pk)
    assert len(mailoutbox) == 1


def test_an_account_that_exists_gets_no_link(
    owner: Client, workspace: Workspace, mailoutbox: list[Any]
) -> None:
    UserFactory(username="grace", email="grace@example.com")
    post(owner, "member_add", workspace.pk, who="grace@example.com", role="manager")
    assert mailoutbox == [] and Membership.objects.filter(user__username="grace", role="manager").exists()


def test_who_cannot_be_added_is_said_at_the_field(owner: Client, workspace: Workspace) -> None:
    shown = post(owner, "member_add", workspace.pk, who="nobody", role="owner")
    assert shown.status_code == 422 and "write an e-mail address" in shown.text


def test_roles_are_changed_and_members_let_go(owner: Client, workspace: Workspace) -> None:
    second = MembershipFactory(workspace=workspace, role=Role.EDITOR)
    post(owner, "member_role", workspace.pk, second.pk, role="owner")
    second.refresh_from_db()
    assert second.role == "owner"
    post(owner, "member_remove", workspace.pk, second.pk)
    assert not Membership.objects.filter(pk=second.pk).exists()


def test_the_last_owner_stays_on_the_page_and_in_the_admin(owner: Client, workspace: Workspace) -> None:
    mine = Membership.objects.get()
    assert "without an owner" in post(owner, "member_remove", workspace.pk, mine.pk).text
    assert "without an owner" in post(owner, "member_role", workspace.pk, mine.pk, role="editor").text
    site_staff = superuser()
    change = reverse("admin:audience_membership_change", args=[mine.pk])
    assert site_staff.post(change, {"role": "editor"}).status_code == 200
    delete = reverse("admin:audience_membership_delete", args=[mine.pk])
    assert site_staff.post(delete, {"post": "yes"}).status_code == 403
    mine.refresh_from_db()
    assert mine.role == "owner"


def test_a_member_of_another_workspace_is_not_changed_through_ones_own(
    owner: Client, workspace: Workspace
) -> None:
    other = MembershipFactory(workspace=WorkspaceFactory(slug="other"), role=Role.EDITOR)
    for name in ("member_role", "member_remove", "member_invite"):
        assert post(owner, name, workspace.pk, other.pk, role="owner").status_code == 404
    other.refresh_from_db()
    assert other.role == "editor"
