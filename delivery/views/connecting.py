"""“Connect” on a mailbox sender's page: to the provider's consent page and back, and “Disconnect”."""

from __future__ import annotations

import time
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from audience import access, zones
from audience.views.frame import user_of
from campaigns.models import Grant, Sender
from campaigns.oauth import OAuthProvider, callback_url, provider_of
from delivery import connecting
from delivery.views.frame import show, staff_page

# In the session: what was asked for, by state (RFC 6749, 10.12). Each answer is taken once.
ASKED = "mailbox_consents"
# Of them at once, and seconds for which an answer is waited for.
MOST = 5
PATIENCE = 600


@staff_page
@never_cache
@require_safe
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """Whose mailbox is connected, what it allows, and the buttons that change it; for the sender's page."""
    sender, provider = _find(request, pk)
    zones.show_in(sender.workspace)
    daily, preset = provider.allows_daily(sender.from_email)
    context = {
        "sender": sender,
        "provider": provider,
        "grant": Grant.objects.filter(pk=sender.pk).first(),
        "may_edit": access.may_edit(request.user, sender.workspace_id),
        "callback_url": callback_url(),
        "daily": daily,
        "preset": preset,
        "delay": connecting.DELAY,
    }
    return render(request, "delivery/sender_mailbox.html", context)


@staff_page
@require_POST
def connect(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the user to the provider's page, where the mailbox's owner consents."""
    sender, provider = _find_to_edit(request, pk)
    if not provider.is_configured:
        messages.error(
            request,
            gettext("This installation is not registered with {label} yet.").format(label=provider.label),
        )
        return _to_sender(sender)
    asked = connecting.ask(sender, provider)
    waiting = dict(request.session.get(ASKED, {}))
    waiting[asked.state] = {
        "sender": sender.pk,
        "provider": provider.name,
        "verifier": asked.verifier,
        "at": time.time(),
    }
    request.session[ASKED] = dict(list(waiting.items())[-MOST:])
    return redirect(asked.url)


@staff_page
@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Take the provider's answer, if it is one to a question that was asked in this session."""
    waiting = dict(request.session.get(ASKED, {}))
    state = request.GET.get("state", "")
    question = waiting.pop(state, None)
    if question is None:
        messages.error(
            request,
            gettext(
                "Nothing was connected: this answer belongs to no question of yours, or was used before. "
                "Open the sender and connect it from there."
            ),
        )
        return redirect("admin:campaigns_sender_changelist")
    request.session[ASKED] = waiting
    sender, provider = _find_to_edit(request, question["sender"])
    if question["provider"] != provider.name or time.time() - question["at"] > PATIENCE:
        messages.error(request, gettext("Nothing was connected: the answer came too late. Connect again."))
        return _to_sender(sender)
    _connect(request, sender, provider, connecting.Consent("", state, question["verifier"]))
    return _to_sender(sender)


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask first, then forget the mailbox's tokens."""
    sender, provider = _find_to_edit(request, pk)
    if request.method != "POST":
        context: dict[str, Any] = {
            "title": gettext("Disconnect {from_email}?").format(from_email=sender.from_email),
            "subtitle": sender.name,
            "sender": sender,
            "provider": provider,
        }
        return show(request, "delivery/sender_disconnect.html", context)
    if connecting.disconnect(sender, provider):
        messages.success(
            request,
            gettext("The mailbox is disconnected, and {label} knows it.").format(label=provider.label),
        )
    else:
        words = gettext(
            "The mailbox is disconnected: Drumbeat has forgotten its access. The owner of the mailbox can "
            "take the permission back at {where_to_revoke}."
        )
        messages.success(request, words.format(where_to_revoke=provider.where_to_revoke))
    return _to_sender(sender)


def _connect(
    request: HttpRequest, sender: Sender, provider: OAuthProvider, asked: connecting.Consent
) -> None:
    try:
        resumed = connecting.connect(sender, provider, asked, request.GET.dict(), user_of(request))
    except connecting.NotConnected as error:
        messages.error(request, str(error))
        return
    words = gettext("The mailbox {from_email} is connected.").format(from_email=sender.from_email)
    if resumed:
        going_on = ngettext("{number:,} campaign goes on.", "{number:,} campaigns go on.", resumed)
        words += " " + going_on.format(number=resumed)
    messages.success(request, words)


def _find(request: HttpRequest, pk: int) -> tuple[Sender, OAuthProvider]:
    """The sender and its mailbox's provider, if the user may see it; else 404."""
    senders = Sender.objects.visible_to(request.user).select_related("workspace")
    sender: Sender = get_object_or_404(senders, pk=pk)
    provider = provider_of(sender)
    if provider is None:
        raise Http404("This sender has no mailbox to connect.")
    return sender, provider


def _find_to_edit(request: HttpRequest, pk: int) -> tuple[Sender, OAuthProvider]:
    sender, provider = _find(request, pk)
    if not access.may_edit(request.user, sender.workspace_id):
        raise PermissionDenied(gettext("An analyst may read, not connect mailboxes."))
    return sender, provider


def _to_sender(sender: Sender) -> HttpResponse:
    return redirect("admin:campaigns_sender_change", sender.pk)
