"""Amazon SNS, which carries the reports of Amazon SES: its signatures, and how a subscription begins.

The addresses of the certificate and of the confirmation stand in the message itself. They are followed
only to Amazon's own hosts, without redirects; anything else would let a stranger send us anywhere.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import Any

import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.utils import timezone

HOST = r"https://sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?"
CERTIFICATE = re.compile(HOST + r"/SimpleNotificationService-[0-9a-zA-Z]+\.pem")
CONFIRMATION = re.compile(HOST + r"/\?Action=ConfirmSubscription&[\x21-\x7e]+")
SECONDS = (5, 10)
MAX_BYTES = 64 * 1024
SHA: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - Amazon's choice
# What is signed, by the type of the message, in this order.
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"
    ),
}  # fmt: skip
SIGNED["UnsubscribeConfirmation"] = SIGNED["SubscriptionConfirmation"]


class CannotTell(Exception):
    """Amazon could not be asked; the same message may be right a minute later."""


def is_genuine(message: dict[str, Any]) -> bool:
    """Whether Amazon SNS has signed a message. Raises CannotTell when its certificate cannot be fetched."""
    address = str(message.get("SigningCertURL", ""))
    version, names = SHA.get(str(message.get("SignatureVersion"))), SIGNED.get(str(message.get("Type")))
    if version is None or names is None or not CERTIFICATE.fullmatch(address):
        return False
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None)
    certificate = _certificate(address)
    key = certificate.public_key()
    is_valid = certificate.not_valid_before_utc <= timezone.now() <= certificate.not_valid_after_utc
    try:
        signature = base64.b64decode(str(message.get("Signature", "")), validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed.encode(), padding.PKCS1v15(), version)
            return is_valid
    except (InvalidSignature, binascii.Error):
        pass
    return False


def confirm(message: dict[str, Any]) -> None:
    """Begin a subscription that Amazon asks about. Raises CannotTell; may be repeated."""
    address = str(message.get("SubscribeURL", ""))
    if not CONFIRMATION.fullmatch(address):
        raise ValueError("The address at which to confirm the subscription is not Amazon's.")
    _fetch(address)


@lru_cache(maxsize=32)
def _certificate(address: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_fetch(address))
    except ValueError as error:
        raise CannotTell("Amazon's certificate cannot be read.") from error


def _fetch(address: str) -> bytes:
    try:
        with requests.get(address, timeout=SECONDS, allow_redirects=False, stream=True) as answer:
            if answer.status_code != requests.codes.ok:
                raise CannotTell(f"Amazon answered {answer.status_code}.")
            return answer.raw.read(MAX_BYTES, decode_content=True)  # type: ignore[no-any-return]
    except requests.RequestException as error:
        raise CannotTell(f"Amazon cannot be reached ({type(error).__name__}).") from error
