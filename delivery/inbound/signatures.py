"""The checks that Anymail leaves to others: Amazon's and Resend's signatures, and how old Mailgun's may be.

Each is mixed in before Anymail's view, which calls every validate_request() of its classes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from anymail.exceptions import AnymailWebhookValidationFailure
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.utils.crypto import constant_time_compare

from delivery.inbound import sns

CannotTell = sns.CannotTell
# Seconds that Resend's clock and ours may be apart; it signs anew whenever it tries again.
SVIX_SECONDS = 15 * 60


class Amazon:
    """Amazon's signature, and whose topic it is; Anymail checks neither."""

    key = ""

    def validate_request(self, request: WSGIRequest) -> None:
        message = json.loads(request.body)
        if self.key and message.get("TopicArn") != self.key:
            raise AnymailWebhookValidationFailure("The report is of another topic.")
        if not sns.is_genuine(message):
            raise AnymailWebhookValidationFailure("The signature is not Amazon's.")


class Mailgun:
    """Refuses what is older than what is kept, by which a repeated token is known."""

    def validate_request(self, request: WSGIRequest) -> None:
        age = time.time() - float(mailgun_block(request)["timestamp"])
        if abs(age) > settings.REPORTS_KEEP_DAYS * 86_400:
            raise AnymailWebhookValidationFailure("The signature is too old.")


class Resend:
    """Svix's signature, as its documentation says; Anymail wants a library for it."""

    key = ""

    def validate_request(self, request: WSGIRequest) -> None:
        ident, at = request.headers.get("Svix-Id", ""), request.headers.get("Svix-Timestamp", "")
        if not at.isdecimal() or abs(time.time() - int(at)) > SVIX_SECONDS:
            raise AnymailWebhookValidationFailure("The signature is too old, or there is none.")
        secret = base64.b64decode(self.key.removeprefix("whsec_"))
        signed = f"{ident}.{at}.".encode() + request.body
        right = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        given = request.headers.get("Svix-Signature", "").split()
        if not any(constant_time_compare(one, f"v1,{right}") for one in given):
            raise AnymailWebhookValidationFailure("The signature is wrong.")


CHECKS: dict[str, type[Any]] = {"amazon_ses": Amazon, "mailgun": Mailgun, "resend": Resend}


def mailgun_block(request: WSGIRequest) -> dict[str, str]:
    """Timestamp, token and signature, in the form of today or in that before 2018."""
    if request.content_type == "application/json":
        block: dict[str, str] = json.loads(request.body)["signature"]
        return block
    return {name: request.POST[name] for name in ("timestamp", "token", "signature")}
