"""The door for providers' reports: one address per sender, with a secret in it, and no log-in."""

from __future__ import annotations

import logging

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audience import throttle
from audience.credentials import CredentialsUnreadable
from delivery.inbound import hooks, inbox, receivers
from delivery.inbound.receivers import Call, Refused
from delivery.models import Hook

logger = logging.getLogger(__name__)

# No service sends more in one call.
MAX_BYTES = 4 * 1024 * 1024
# Addresses that are none; reports to those that are there are taken however many they are.
GUESSES = "60/minute"


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def hook(request: HttpRequest, public_id: str, secret: str) -> HttpResponse:
    """Keep a report and answer at once; what follows from it is a worker's affair.

    Services look by GET or HEAD whether the address is there. 404: it is not. 403 or 400: this is not what
    the service sends. 413: too large. 503: we cannot tell now, try again. Nothing is kept of these.
    """
    try:
        _answer(request, public_id, secret)
    except Refused as refused:
        logger.warning("provider report refused: %s", refused, extra={"hook": public_id})
        return _refusal(refused.status, str(refused))
    except (CredentialsUnreadable, Error):
        logger.exception("a provider report could not be kept", extra={"hook": public_id})
        return _refusal(503, "Try again.")
    return HttpResponse(content_type="text/plain")


def _answer(request: HttpRequest, public_id: str, secret: str) -> None:
    found = hooks.find(public_id, secret)
    if found is None:
        if not throttle.may_here(GUESSES, "hook", request.META.get("REMOTE_ADDR", "")):
            raise Refused(429, "Too many wrong addresses came from here. Try again in a minute.")
        raise Refused(404, "There is no such address.")
    if request.method == "POST":
        _take(found, request)


def _refusal(status: int, words: str) -> HttpResponse:
    response = HttpResponse(words, status=status, content_type="text/plain")
    # Django would log the path of whatever is refused, and the secret in it.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _take(found: Hook, request: HttpRequest) -> None:
    sender = found.sender
    call = Call({**request.headers}, _body(request))
    receivers.check(
        sender.esp if sender.transport == sender.Transport.ESP else "",
        call,
        hooks.key_of(found),
        url=hooks.url(found),
        api_key=sender.credentials().get("api_key", ""),
    )
    inbox.take(sender, sender.esp, call)


def _body(request: HttpRequest) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if int(length) > MAX_BYTES:
        raise Refused(413, "Larger than any report.")
    try:
        return request.read(MAX_BYTES)
    except UnreadablePostError as error:
        raise Refused(400, "The body did not come whole.") from error
