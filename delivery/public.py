"""The pages that people reach from their mail, without logging in: unsubscribing."""

from __future__ import annotations

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audience.models import Customer, Workspace
from delivery import feedback, tokens
from delivery.models import Event


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show the page on GET, unsubscribe on POST.

    GET changes nothing, since scanners follow every link (RFC 8058, 1). POST acts at once, without
    cookies or a log-in, whatever the form of its body; a mail program sends
    `List-Unsubscribe=One-Click` and must not be redirected.
    """
    try:
        about = tokens.read(token)
    except tokens.InvalidToken:
        return render(request, "public/unsubscribe_invalid.html", status=404)
    if not about.customer_id:
        return render(request, "public/unsubscribe_test.html")
    if request.method == "POST":
        source = Event.Source.ONE_CLICK if _is_one_click(request) else Event.Source.LINK
        feedback.unsubscribe(about, source, ip=request.META.get("REMOTE_ADDR"))
    context = {
        "workspace": Workspace.objects.filter(pk=about.workspace_id).first(),
        "done": request.method == "POST" or not _is_subscribed(about),
    }
    return render(request, "public/unsubscribe.html", context)


def _is_one_click(request: HttpRequest) -> bool:
    try:
        return request.POST.get("List-Unsubscribe") == "One-Click"
    except (MultiPartParserError, SuspiciousOperation, UnreadablePostError):
        return False  # A body that cannot be read is no reason to keep mailing somebody.


def _is_subscribed(about: tokens.Reference) -> bool:
    return Customer.objects.filter(
        pk=about.customer_id, workspace_id=about.workspace_id, subscribed=True
    ).exists()
