"""What happens to every request before and after the pages: who asks, and what a browser may do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]


class ClientAddressMiddleware:
    """Put the address of whoever asks into REMOTE_ADDR, when our own proxies stand in between.

    The last proxy adds the address it was called from at the right end; what stands further left than our
    proxies reach was said by the caller and proves nothing.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chain = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if settings.PROXIES and len(chain) >= settings.PROXIES:
            request.META["REMOTE_ADDR"] = chain[-settings.PROXIES].strip()
        return self.get_response(request)


def _sources(urls: Iterable[str]) -> str:
    """The origins of these addresses, for a policy."""
    return " ".join(sorted({f"{url.scheme}://{url.netloc}" for url in map(urlsplit, urls) if url.netloc}))


class ContentSecurityPolicyMiddleware:
    """Tell browsers what our pages may load and run; a page that shows a mail says so more narrowly itself.

    The admin's Alpine makes functions of what stands in its attributes, which takes unsafe-eval; no page of
    ours has a script in itself. Its styles do, and so do the mails that previews show, with images from
    anywhere. A form leads to the providers' consent pages, which browsers count as its action.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", _policy())
        return response


def _policy() -> str:
    consent = _sources([settings.GOOGLE_AUTHORIZE_URL, settings.MICROSOFT_AUTHORIZE_URL])
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: https: http:",
            "font-src 'self' data:",
            f"form-action 'self' {consent}",
            "frame-ancestors 'self'",
            "object-src 'none'",
            "base-uri 'none'",
        )
    )
