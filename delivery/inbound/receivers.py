"""Anymail's tracking views, one per service: they check a call's signature at the door, and read it later.

A view is made with the settings of one sender. What it would send as a signal is returned instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

from anymail.exceptions import AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent
from django.core.handlers.wsgi import WSGIRequest
from django.utils.module_loading import import_string

from delivery.inbound import signatures
from delivery.inbound.services import REPORTING, Reporting

# What reading a body needs; everything else stays at the door, signatures and passwords above all.
KEPT = ("Content-Type", "Svix-Id", "X-Amz-Sns-Message-Type", "X-Amz-Sns-Message-Id")


class Refused(Exception):
    """A call that is not taken, with the HTTP status that says so."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a webhook."""

    headers: Mapping[str, str]
    body: bytes

    def kept_headers(self) -> dict[str, str]:
        return {name: self.headers[name] for name in KEPT if name in self.headers}

    def request(self) -> WSGIRequest:
        """The call as Django reads it; each reader gets one of its own."""
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()}
        environ |= {
            "REQUEST_METHOD": "POST",
            "SERVER_NAME": "drumbeat",
            "SERVER_PORT": "443",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(self.body)),
        }
        return WSGIRequest({**environ, "wsgi.input": BytesIO(self.body), "wsgi.url_scheme": "https"})


def check(service: str, call: Call, key: str, *, url: str, api_key: str) -> None:
    """Let nothing pass that is not the service's own report; raises Refused.

    `key` is what the sender's page was told, `url` the address that was called (Mandrill signs it). A
    signature proves a body, whatever is in it; without one, the body must be what the service sends.
    """
    reporting = REPORTING.get(service)
    if reporting is None:
        raise Refused(404, "This service does not report.")
    if reporting.key and reporting.key.required and not key:
        raise Refused(403, f"Enter “{reporting.key.label}” on the sender's page first.")
    options = _options(service, reporting, key, url, api_key)
    try:
        _view(service)(**options).run_validators(call.request())
        if not reporting.signs:
            _recognise(service, call, reporting.mark)
    except AnymailWebhookValidationFailure as error:
        raise Refused(403, "The signature or the password is not right.") from error
    except signatures.CannotTell as error:
        raise Refused(503, str(error)) from error
    except Exception as error:
        # Whatever a stranger's body makes of Anymail's code, it is not the service's.
        raise Refused(400, "This is not what the service sends.") from error


def _recognise(service: str, call: Call, mark: str) -> None:
    """Raise something unless a body, which nothing proves, is what the service sends."""
    told = json.loads(call.body)
    for event in told if isinstance(told, list) else [told]:
        if mark not in event or not isinstance(event, dict):
            raise ValueError(f"an event without {mark}")
    events(service, call)


def events(service: str, call: Call) -> list[AnymailTrackingEvent]:
    """What a call tells, in Anymail's words. Raises whatever Anymail does for a body that it cannot read."""
    found = _reader(service).parse_events(call.request())
    return [event for event in found if isinstance(event, AnymailTrackingEvent)]


def digest(service: str, call: Call) -> str:
    """Equal for calls that are the same.

    Mailgun signs a token and not the body: the token counts once, whatever body comes with it.
    """
    told = call.body
    if service == "mailgun":
        told = signatures.mailgun_block(call.request())["token"].encode()
    return hashlib.blake2b(told, digest_size=16).hexdigest()


@cache
def _view(service: str) -> type[Any]:
    base = import_string(f"anymail.webhooks.{service}.{REPORTING[service].view}")
    own = signatures.CHECKS.get(service)
    return type(base.__name__, (*([own] if own else []), _Quiet, base), {})


@cache
def _reader(service: str) -> Any:
    """A view that reads and checks nothing, for bodies that were checked when they came in."""
    return _view(service)(**_options(service, REPORTING[service], "none", "", "none"))


def _options(service: str, reporting: Reporting, key: str, url: str, api_key: str) -> dict[str, Any]:
    """What Anymail's view is told. A service without a key of its own checks with ours or with none."""
    options: dict[str, Any] = {}
    if reporting.key and reporting.key.argument and key:
        options[reporting.key.argument] = key
    elif reporting.key and key:
        options["key"] = key
    if service == "amazon_ses":
        options["auto_confirm_sns_subscriptions"] = False
    if service == "mandrill":
        options["webhook_url"] = url
    if service == "unisender_go":
        options["api_key"] = api_key
    return options


class _Quiet:
    """Anymail warns where there is no password; the secret in the address is one."""

    @property
    def warn_if_no_basic_auth(self) -> bool:
        return False

    @warn_if_no_basic_auth.setter
    def warn_if_no_basic_auth(self, value: bool) -> None:
        pass
