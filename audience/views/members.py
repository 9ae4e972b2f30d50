"""The members of a workspace: read by all of them, let in, changed and let go by its owners."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from audience import members
from audience.models import Membership, Workspace
from audience.views.account import invite
from audience.views.frame import staff_page
from audience.views.settings import find, page

Role = Membership.Role
WORDS = {
    Role.OWNER: _("Everything, and these settings"),
    Role.MANAGER: _("Prepares and sends"),
    Role.EDITOR: _("Prepares, sends nothing"),
    Role.ANALYST: _("Reads"),
}
ROLES = [{"value": role.value, "name": role.name.capitalize(), "may": WORDS[role]} for role in Role]


@staff_page
@never_cache
@require_safe
def listing(request: HttpRequest, pk: int) -> HttpResponse:
    """Who belongs to the workspace, and what each may do."""
    return _page(request, find(request, pk), {})


@staff_page
@require_POST
def add(request: HttpRequest, pk: int) -> HttpResponse:
    """Let somebody in. A new account's owner gets a mail, with a link to set a password."""
    workspace = find(request, pk)
    who, role = request.POST.get("who", ""), _role(request)
    try:
        added = members.add(workspace, who, role)
    except members.CannotAdd as error:
        return _page(request, workspace, {"problem": str(error), "who": who, "role": role}, invalid=True)
    user = added.membership.user
    if added.is_new:
        invite(user)
    words = gettext("{user} is a member.").format(user=user)
    if added.is_new:
        words += " " + gettext(
            "An account was made, and a link to set its password mailed there; it is good for an hour."
        )
    messages.success(request, words)
    return redirect("audience:members", pk)


@staff_page
@require_POST
def change(request: HttpRequest, pk: int, member: int) -> HttpResponse:
    """Give a member another role."""
    workspace = find(request, pk)
    membership = _member(workspace, member)
    try:
        members.change_role(membership, _role(request))
    except members.LastOwner as error:
        messages.error(request, gettext("Nothing was changed. {error}").format(error=error))
    else:
        messages.success(
            request, gettext("{user} is {role} now.").format(user=membership.user, role=membership.role)
        )
    return redirect("audience:members", pk)


@staff_page
@require_POST
def remove(request: HttpRequest, pk: int, member: int) -> HttpResponse:
    """Let a member go."""
    workspace = find(request, pk)
    membership = _member(workspace, member)
    try:
        members.remove(membership)
    except members.LastOwner as error:
        messages.error(request, gettext("Nothing was changed. {error}").format(error=error))
        return redirect("audience:members", pk)
    messages.success(
        request, gettext("{user} is no member any more. The account stays.").format(user=membership.user)
    )
    is_gone = membership.user_id == request.user.pk and not request.user.is_superuser
    return redirect("admin:index") if is_gone else redirect("audience:members", pk)


@staff_page
@require_POST
def invite_again(request: HttpRequest, pk: int, member: int) -> HttpResponse:
    """Mail the link once more to somebody who has not set a password yet."""
    membership = _member(find(request, pk), member)
    if members.waits_for_password(membership.user):
        invite(membership.user)
        messages.success(
            request, gettext("A new link was mailed to {email}.").format(email=membership.user.email)
        )
    else:
        messages.info(request, gettext("{user} has a password already.").format(user=membership.user))
    return redirect("audience:members", pk)


def _page(
    request: HttpRequest, workspace: Workspace, context: dict[str, Any], *, invalid: bool = False
) -> HttpResponse:
    found = list(members.of(workspace))
    owners = sum(each.role == Role.OWNER and each.user.is_active for each in found)
    lines = [
        {
            "membership": each,
            "role": Role(each.role).name.capitalize(),
            "waits": members.waits_for_password(each.user),
            "is_last_owner": each.role == Role.OWNER and owners - each.user.is_active < 1,
            "is_self": each.user_id == request.user.pk,
        }
        for each in found
    ]
    shown = {"lines": lines, "roles": ROLES, "role": Role.EDITOR.value, **context}
    return page(request, workspace, "members", shown, invalid=invalid)


def _role(request: HttpRequest) -> Role:
    """The role that was chosen; of an unknown one, the one that may least."""
    asked = request.POST.get("role", "")
    return Role(asked) if asked in Role else Role.ANALYST


def _member(workspace: Workspace, pk: int) -> Membership:
    return get_object_or_404(Membership.objects.select_related("user"), pk=pk, workspace=workspace)
