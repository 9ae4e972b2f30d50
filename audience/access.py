"""Who may do what in which workspace. Every page asks here; a superuser may do everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audience.models import ApiKey, Membership, Workspace, workspaces_visible_to

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Role = Membership.Role
EDITORS = frozenset({Role.OWNER, Role.MANAGER, Role.EDITOR})
SENDERS = frozenset({Role.OWNER, Role.MANAGER})
# Answers are kept on the user object, which lives as long as the request: a page asks many times.
ROLES, SEEN = "_workspace_roles", "_workspaces_seen"


def roles_of(user: User | AnonymousUser) -> dict[int, str]:
    """The user's role by workspace id."""
    roles: dict[int, str] | None = getattr(user, ROLES, None)
    if roles is None:
        memberships = Membership.objects.filter(user_id=user.pk or 0)
        roles = dict(memberships.values_list("workspace_id", "role"))
        setattr(user, ROLES, roles)
    return roles


def sole_workspace(user: User | AnonymousUser) -> Workspace | None:
    """The workspace of a user who sees exactly one, and who therefore never reads the word."""
    if not hasattr(user, SEEN):
        setattr(user, SEEN, list(workspaces_visible_to(user)[:2]))
    seen: list[Workspace] = getattr(user, SEEN)
    return seen[0] if len(seen) == 1 else None


def may_view(user: User | AnonymousUser, workspace_id: int | None = None) -> bool:
    """Whether the user may read in this workspace; without one: in any."""
    return _has_role(user, frozenset(Role), workspace_id)


def may_edit(user: User | AnonymousUser, workspace_id: int | None = None) -> bool:
    """Whether the user may prepare things in this workspace; without one: in any."""
    return _has_role(user, EDITORS, workspace_id)


def may_send(user: User | AnonymousUser, workspace_id: int | None = None) -> bool:
    """Whether the user may activate campaigns and steer them; without a workspace: in any."""
    return _has_role(user, SENDERS, workspace_id)


def owns(user: User | AnonymousUser, workspace_id: int | None = None) -> bool:
    """Whether the user may change the workspace itself and who belongs to it; without one: any."""
    return _has_role(user, frozenset({Role.OWNER}), workspace_id)


def key_allows(key: ApiKey, scope: str) -> bool:
    """Whether an API key may do this now: it has the scope, and its member the role that this takes."""
    verb = scope.rpartition(":")[2]
    return scope in key.scopes and VERBS[verb](key.user, key.workspace_id)


# What the last word of an API key's scope takes.
VERBS = {"read": may_view, "write": may_edit, "send": may_send}


def _has_role(user: User | AnonymousUser, wanted: frozenset[Role], workspace_id: int | None) -> bool:
    if not user.is_active:
        return False
    if user.is_superuser:
        return True
    roles = roles_of(user)
    held = roles.values() if workspace_id is None else [roles.get(workspace_id, "")]
    return any(role in wanted for role in held)
