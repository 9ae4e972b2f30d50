"""Who belongs to a workspace: letting people in, changing what they may do, letting them go.

Every door comes through here: a workspace that has an owner keeps one, and each change is in the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Case, Q, QuerySet, When

from audience import audit
from audience.models import Membership, Workspace

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Role = Membership.Role


class LastOwner(Exception):
    """The workspace would be left without an owner. Make somebody else one first."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class CannotAdd(Exception):
    """This person cannot be let in; the message says why, and what to do."""


@dataclass(frozen=True)
class Added:
    """Somebody who was let in, and whether an account was made for them."""

    membership: Membership
    is_new: bool


def of(workspace: Workspace) -> QuerySet[Membership]:
    """The members with their accounts, owners first."""
    rows = Membership.objects.filter(workspace=workspace).select_related("user")
    rank = Case(*(When(role=role, then=place) for place, role in enumerate(Role.values)), default=len(Role))
    return rows.order_by(rank, "user__username")


def add(workspace: Workspace, who: str, role: Role) -> Added:
    """Let somebody in: the account of this user name or address, else a new one for the address.

    A new account has no password; whoever holds the mailbox sets one. One transaction. Raises CannotAdd.
    """
    who = who.strip()
    with transaction.atomic():
        user = _account(who)
        is_new = user is None
        user = user or _new_account(who)
        try:
            with transaction.atomic():
                membership = Membership.objects.create(workspace=workspace, user=user, role=role)
        except IntegrityError:
            raise CannotAdd(f"{user} is a member already. Change the role in the list.") from None
        after = {"user": user.get_username(), "role": str(role)}
        audit.record("added", membership, workspace=workspace, name=str(membership), after=after)
    return Added(membership, is_new)


def change_role(membership: Membership, role: Role) -> None:
    """Give a member another role. One transaction; may be repeated. Raises LastOwner."""
    with transaction.atomic():
        current = _locked(membership)
        if current.role == role:
            return
        if current.role == Role.OWNER:
            _keep_an_owner(current)
        audit.changed(current, {"role": current.role}, {"role": str(role)}, workspace=current.workspace_id)
        current.role = role
        current.save(update_fields=["role"])
    membership.role = role


def remove(membership: Membership) -> None:
    """Let a member go; their account stays. One transaction. Raises LastOwner, Membership.DoesNotExist."""
    with transaction.atomic():
        current = _locked(membership)
        if current.role == Role.OWNER:
            _keep_an_owner(current)
        audit.record("deleted", current, workspace=current.workspace_id, before={"role": current.role})
        current.delete()


def is_last_owner(membership: Membership) -> bool:
    """Whether the workspace has no owner beside this one."""
    return membership.role == Role.OWNER and not _other_owners(membership).exists()


def waits_for_password(user: User) -> bool:
    """Whether the account was made for somebody who has not set a password yet."""
    return user.is_active and bool(user.email) and user.last_login is None and not user.has_usable_password()


def _locked(membership: Membership) -> Membership:
    """The row as stored; the workspace is locked with it, so that two owners cannot remove each other."""
    Workspace.objects.select_for_update().get(pk=membership.workspace_id)
    return Membership.objects.select_related("user", "workspace").get(pk=membership.pk)


def _keep_an_owner(membership: Membership) -> None:
    if not _other_owners(membership).exists():
        raise LastOwner


def _other_owners(membership: Membership) -> QuerySet[Membership]:
    owners = Membership.objects.filter(workspace=membership.workspace_id, role=Role.OWNER)
    return owners.filter(user__is_active=True).exclude(pk=membership.pk)


def _account(who: str) -> User | None:
    """The account that is meant; None: there is none. Raises CannotAdd for one that cannot be let in."""
    users = get_user_model().objects
    by_name = users.filter(username=who)
    found = list(by_name or users.filter(Q(email__iexact=who) & ~Q(email=""))[:2])
    if len(found) > 1:
        raise CannotAdd(f"Several accounts have the address {who}. Say the user name of the right one.")
    for user in found:
        if not (user.is_active and user.is_staff):
            raise CannotAdd(f"The account {user} may not log in. Ask whoever runs this site.")
        return user
    return None


def _new_account(address: str) -> User:
    try:
        validate_email(address)
    except ValidationError:
        raise CannotAdd(
            f"There is no account called “{address[:100]}”. To make one, write an e-mail address."
        ) from None
    if len(address) > 150:
        raise CannotAdd("The address is longer than 150 characters, which no user name may be.")
    # Staff may log in; what they see and may do, their memberships say.
    user = get_user_model()(username=address, email=address, is_staff=True)
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise CannotAdd(f"An account for {address} was made a moment ago. Add it again.") from None
    audit.record("added", user, name=address, after={"username": address})
    return user
