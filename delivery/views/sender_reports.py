"""A panel of a sender's page: where its e-mail service is to report, and whether it does."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from audience import access, zones
from audience.credentials import CredentialsUnreadable
from campaigns.models import Grant, Sender
from campaigns.oauth import provider_of
from campaigns.senders import is_loopback
from delivery.inbound import hooks
from delivery.inbound.services import REPORTING, Reporting
from delivery.models import Hook, Inbound
from delivery.views.frame import staff_page

MAX_KEY = 2000


@staff_page
@never_cache
@require_safe
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """The address for those who may edit, what it is for, and when the last report came in."""
    return _panel(request, _sender(request, pk), asked="ask" in request.GET)


@staff_page
@require_POST
def address(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the sender's address, or with `replace` give it a new secret."""
    sender = _editable(request, pk)
    hook = hooks.make(sender)
    if "replace" in request.POST:
        hooks.rotate(hook)
        return _panel(request, sender, said=gettext("Replaced. Paste the new address at the service now."))
    return _panel(request, sender)


@staff_page
@require_POST
def key(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep what the service signs with; empty forgets it."""
    sender = _editable(request, pk)
    # A public key comes on several lines.
    entered = "".join(request.POST.get("key", "").split())
    if len(entered) > MAX_KEY or not entered.isascii() or not (entered.isprintable()):
        return _panel(request, sender, wrong=gettext("This is no such key. Copy it anew."))
    try:
        hooks.set_key(hooks.make(sender), entered)
    except CredentialsUnreadable as error:
        return _panel(request, sender, wrong=str(error))
    return _panel(request, sender, said=gettext("Saved.") if entered else gettext("Forgotten."))


def _sender(request: HttpRequest, pk: int) -> Sender:
    found = Sender.objects.visible_to(request.user).select_related("workspace")
    sender: Sender = get_object_or_404(found, pk=pk)
    zones.show_in(sender.workspace)
    return sender


def _editable(request: HttpRequest, pk: int) -> Sender:
    sender = _sender(request, pk)
    if not access.may_edit(request.user, sender.workspace_id):
        raise PermissionDenied(gettext("An analyst may read, not set up senders."))
    return sender


def _panel(request: HttpRequest, sender: Sender, **state: Any) -> HttpResponse:
    is_service = sender.transport == Sender.Transport.ESP
    reporting = REPORTING.get(sender.esp) if is_service else None
    provider = provider_of(sender)
    context = {
        "sender": sender,
        "is_service": is_service,
        "reporting": reporting,
        "is_connected_mailbox": provider is not None,
        "look_up_setting": f"{provider.prefix}_LOOK_UP" if provider else "",
        "grant": Grant.objects.filter(pk=sender.pk).first() if provider else None,
        "may_edit": access.may_edit(request.user, sender.workspace_id),
        "last": Inbound.objects.filter(sender=sender).order_by("-pk").first(),
        "is_local": _is_local(settings.SITE_URL),
        **state,
    }
    hook = Hook.objects.filter(pk=sender.pk).first()
    if hook and reporting:
        context |= _address(hook, reporting)
    return render(request, "delivery/sender_reports.html", context)


def _address(hook: Hook, reporting: Reporting) -> dict[str, Any]:
    try:
        known = {"url": hooks.url(hook)}
    except CredentialsUnreadable as error:
        return {"hook": hook, "unreadable": str(error)}
    has_key = bool(hooks.key_of(hook))
    is_missing = reporting.key is not None and reporting.key.required and not has_key
    return {"hook": hook, "has_key": has_key, "key_missing": is_missing, **known}


def _is_local(url: str) -> bool:
    """Whether nobody outside can reach an address."""
    host = urlsplit(url).hostname or ""
    try:
        return is_loopback(host) or ipaddress.ip_address(host).is_private
    except ValueError:
        return is_loopback(host)
