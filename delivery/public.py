"""The pages that people reach from their mail, without logging in: links, pictures, unsubscribing."""

from __future__ import annotations

from base64 import b64decode
from contextlib import suppress

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from audience import throttle
from audience.models import Customer, Workspace
from delivery import browser, feedback, spool, tokens, verdicts
from delivery.models import Event

# One transparent pixel, as GIF.
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
# Nobody is told where the request came from, and no search engine keeps it.
DISCREET = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
# Our own page for everybody: a style sheet, a picture and one form.
PLAIN = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
# What one address of the open Internet may ask for in a minute, of each process. A mail program's proxy asks
# for many people.
PIXELS, PAGES = "3000/minute", "600/minute"
# A mail is the work of whoever writes templates: no scripts, no forms, no cookies of this site.
SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation;"
    " default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline' https:;"
    " font-src https: data:; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
)


@never_cache
@require_safe
def pixel(request: HttpRequest, token: str) -> HttpResponse:
    """Answer a pixel, whatever the token; count an open if it is one of ours."""
    if _within(PIXELS, request):
        with suppress(tokens.InvalidToken):
            _note(request, tokens.read(token.removesuffix(".gif")), None)
    return HttpResponse(PIXEL, content_type="image/gif", headers=DISCREET)


@never_cache
@require_safe
def click(request: HttpRequest, token: str, number: int) -> HttpResponse:
    """Count a click, then lead to where the link of that number leads; 404 for any other.

    The address comes from the frozen content and never from the request, so that nobody can make this
    site lead elsewhere. Link 0 is the hidden one, and leads nowhere.
    """
    if not _within(PAGES, request):
        return _too_many()
    try:
        about = tokens.read(token)
        address = browser.target(about, number) if number else ""
    except (tokens.InvalidToken, browser.NotShown):
        return _not_found()
    _note(request, about, number)
    return HttpResponseRedirect(address, headers=DISCREET) if address else _not_found()


@never_cache
@require_safe
def view(request: HttpRequest, token: str) -> HttpResponse:
    """Show a mail in the browser, to whoever has its link. It counts nothing."""
    if not _within(PAGES, request):
        return _too_many()
    try:
        page = browser.page(tokens.read(token))
    except (tokens.InvalidToken, browser.NotShown):
        return _not_found()
    return HttpResponse(page, headers=DISCREET | {"Content-Security-Policy": SANDBOX})


def _note(request: HttpRequest, about: tokens.Reference, link: int | None) -> None:
    """Keep an open or a click; of a test mail, nothing."""
    if about.row_id:
        agent, address = (request.META.get(name, "") for name in ("HTTP_USER_AGENT", "REMOTE_ADDR"))
        spool.note(about, link, _sign(request, link), agent, address)


def _sign(request: HttpRequest, link: int | None) -> str:
    """What shows at once that nobody looked."""
    if link == 0:
        return verdicts.HIDDEN_LINK
    if request.method == "HEAD":
        return verdicts.HEAD
    # Fetch Metadata has the first; browsers of before have the others.
    purpose = (request.META.get(name, "") for name in ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_MOZ"))
    return verdicts.PREFETCH if any("pre" in words.lower() for words in purpose) else ""


def _within(rate: str, request: HttpRequest) -> bool:
    return throttle.may_here(rate, "public", request.META.get("REMOTE_ADDR", ""))


def _too_many() -> HttpResponse:
    words = "Too many requests came from your address. Try again in a minute.\n"
    headers = DISCREET | {"Retry-After": "60"}
    return HttpResponse(words, status=429, content_type="text/plain", headers=headers)


def _not_found() -> HttpResponse:
    return HttpResponse("Not found.\n", status=404, content_type="text/plain", headers=DISCREET)


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show the page on GET, unsubscribe on POST.

    GET changes nothing, since scanners follow every link (RFC 8058, 1). POST acts at once, without
    cookies or a log-in, whatever the form of its body; a mail program sends
    `List-Unsubscribe=One-Click` and must not be redirected. Nobody is ever refused here for having asked
    too often.
    """
    response = _unsubscribe(request, token)
    response.headers["Content-Security-Policy"] = PLAIN
    return response


def _unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
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
