"""The local mailbox: what a campaign really sent, as its recipients would have got it."""

from __future__ import annotations

import re

from django.conf import settings
from django.contrib import messages as notices
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from campaigns.models import Campaign
from delivery.mailbox.parsed import parse
from delivery.mailbox.store import MailboxStore, Message
from delivery.views.frame import show, staff_page

# SQLite's largest integer, and further than anybody pages.
LARGEST = 2**63 - 1
LAST_PAGE = 1_000_000
HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
NEW_TAB = '<base target="_blank">'
# A mail is somebody else's HTML: no scripts, no forms, no cookies of this site. Its links open apart.
SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "img-src https: http: data:; style-src 'unsafe-inline' https:; font-src https: data:; "
    "frame-ancestors 'self'"
)


@staff_page
@require_safe
def messages(request: HttpRequest) -> HttpResponse:
    """The list, newest first."""
    text = request.GET.get("q", "").strip()[:200]
    number = _page_number(request.GET.get("page", ""))
    with MailboxStore(settings.MAILBOX_PATH) as store:
        page = store.search(text, number, _campaigns(request))
    campaigns = Campaign.objects.visible_to(request.user).in_bulk(
        {found.campaign_id for found in page.messages}
    )
    context = {
        "title": gettext("Mailbox"),
        "q": text,
        "rows": [(found, campaigns.get(found.campaign_id)) for found in page.messages],
        "previous": number - 1,
        "next": number + 1 if page.has_next else None,
        "may_empty": request.user.is_superuser,
    }
    return show(request, "delivery/mailbox.html", context)


@staff_page
@require_safe
def message(request: HttpRequest, message_id: int) -> HttpResponse:
    """One message: its headers, its text part and its HTML part in a frame of its own."""
    found, raw = _find(request, message_id)
    context = {
        "title": found.subject or "(no subject)",
        "message": found,
        "campaign": Campaign.objects.visible_to(request.user).filter(pk=found.campaign_id).first(),
        "mail": parse(raw),
    }
    return show(request, "delivery/mailbox_message.html", context)


@staff_page
@require_safe
def html(request: HttpRequest, message_id: int) -> HttpResponse:
    """The HTML part alone, for the frame; its links open in a new tab."""
    _, raw = _find(request, message_id)
    body, heads = HEAD.subn(rf"\g<0>{NEW_TAB}", parse(raw).html or "", count=1)
    response = HttpResponse(body if heads else NEW_TAB + body)
    response["Content-Security-Policy"] = SANDBOX
    return response


@staff_page
@require_safe
def source(request: HttpRequest, message_id: int) -> HttpResponse:
    """The message as it came over the wire, to keep or to open in a mail program."""
    _, raw = _find(request, message_id)
    response = HttpResponse(raw, content_type="message/rfc822")
    response["Content-Disposition"] = f'attachment; filename="message-{message_id}.eml"'
    return response


@staff_page
@require_POST
def empty(request: HttpRequest) -> HttpResponse:
    """Throw all messages away, of all workspaces: therefore for superusers."""
    if not request.user.is_superuser:
        raise PermissionDenied
    with MailboxStore(settings.MAILBOX_PATH) as store:
        store.clear()
    notices.success(request, gettext("The mailbox is empty now. The ledger still says who was sent what."))
    return redirect("delivery:mailbox")


def _campaigns(request: HttpRequest) -> list[int] | None:
    """The campaigns whose mails the user may see; None: all mails."""
    if request.user.is_superuser:
        return None
    return list(Campaign.objects.visible_to(request.user).values_list("pk", flat=True))


def _find(request: HttpRequest, message_id: int) -> tuple[Message, bytes]:
    with MailboxStore(settings.MAILBOX_PATH) as store:
        found = store.find(message_id, _campaigns(request)) if message_id <= LARGEST else None
    if found is None:
        raise Http404("There is no such message in the mailbox.")
    return found


def _page_number(text: str) -> int:
    return min(max(int(text), 1), LAST_PAGE) if text.isdecimal() and len(text) < 10 else 1
