"""Signing reports as the services do, and posting them to a sender's address."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from django.test import Client

from campaigns.models import Sender
from delivery.inbound import hooks, sns
from delivery.inbound.services import REPORTING

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = base64.b64encode(
    RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
SECRET = base64.b64encode(b"a secret of Svix").decode()
# What the sender's page is told.
KEYS = {"resend": f"whsec_{SECRET}", "postal": PUBLIC, "amazon_ses": "", "unisender_go": ""}
API_KEY = "right-key"
CERTIFICATE_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-abc123.pem"

Headers = dict[str, str]
Signed = tuple[bytes, Headers]


def certificate(days: int = 1) -> bytes:
    """A certificate for the key above, valid for so many days from yesterday."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime.now(UTC) - timedelta(days=1)
    built = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=RSA.public_key(),
        serial_number=1,
        not_valid_before=start,
        not_valid_after=start + timedelta(days=days, hours=1),
    )
    return built.sign(RSA, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def hmac_hex(header: str) -> Callable[[Any, str, str], Signed]:
    def sign(payload: Any, key: str, url: str) -> Signed:
        body = json.dumps(payload).encode()
        return body, {header: hmac.digest(key.encode(), body, hashlib.sha256).hex()}

    return sign


def amazon(payload: dict[str, Any], key: str, url: str) -> Signed:
    message = payload | {"SignatureVersion": "2", "SigningCertURL": CERTIFICATE_URL}
    names = [name for name in sns.SIGNED[message["Type"]] if name in message]
    told = "".join(f"{name}\n{message[name]}\n" for name in names).encode()
    signature = RSA.sign(told, padding.PKCS1v15(), hashes.SHA256())
    message["Signature"] = base64.b64encode(signature).decode()
    kind = {"X-Amz-Sns-Message-Type": message["Type"], "X-Amz-Sns-Message-Id": message["MessageId"]}
    return json.dumps(message).encode(), kind | {"Content-Type": "text/plain; charset=UTF-8"}


def mailgun(payload: dict[str, Any], key: str, url: str, at: float | None = None) -> Signed:
    moment, token = str(int(at or time.time())), uuid.uuid4().hex
    signature = hmac.digest(key.encode(), f"{moment}{token}".encode(), hashlib.sha256).hex()
    block = {"timestamp": moment, "token": token, "signature": signature}
    return json.dumps(payload | {"signature": block}).encode(), {}


def mandrill(payload: Any, key: str, url: str) -> Signed:
    told = json.dumps(payload)
    signature = hmac.digest(key.encode(), f"{url}mandrill_events{told}".encode(), hashlib.sha1)
    head = {"X-Mandrill-Signature": base64.b64encode(signature).decode()}
    body = urlencode({"mandrill_events": told}).encode()
    return body, head | {"Content-Type": "application/x-www-form-urlencoded"}


def postal(payload: Any, key: str, url: str) -> Signed:
    body = json.dumps(payload).encode()
    signature = RSA.sign(body, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - as Postal does
    return body, {"X-Postal-Signature": base64.b64encode(signature).decode()}


def resend(payload: Any, key: str, url: str, at: float | None = None) -> Signed:
    body, moment = json.dumps(payload).encode(), str(int(at or time.time()))
    ident = f"msg_{hashlib.sha256(body).hexdigest()[:20]}"
    secret = base64.b64decode(key.removeprefix("whsec_"))
    signature = hmac.digest(secret, f"{ident}.{moment}.".encode() + body, hashlib.sha256)
    signed = f"v1,bm9uZQ== v1,{base64.b64encode(signature).decode()}"
    return body, {"Svix-Id": ident, "Svix-Timestamp": moment, "Svix-Signature": signed}


def unisender(payload: dict[str, Any], key: str, url: str) -> Signed:
    unsigned = json.dumps(payload | {"auth": API_KEY})
    auth = hashlib.md5(unsigned.encode(), usedforsecurity=False).hexdigest()
    return json.dumps(payload | {"auth": auth}).encode(), {}


def nothing(payload: Any, key: str, url: str) -> Signed:
    return json.dumps(payload).encode(), {}


SIGN: dict[str, Callable[[Any, str, str], Signed]] = {
    "amazon_ses": amazon,
    "mailersend": hmac_hex("Signature"),
    "mailgun": mailgun,
    "mailtrap": hmac_hex("Mailtrap-Signature"),
    "mandrill": mandrill,
    "postal": postal,
    "resend": resend,
    "unisender_go": unisender,
}


def set_up(sender: Sender, service: str) -> str:
    """Let the sender send through a service that reports; the address for its reports."""
    sender.transport, sender.esp = Sender.Transport.ESP, service
    sender.set_credentials({"api_key": API_KEY})
    sender.save(update_fields=["transport", "esp", "sealed_credentials"])
    hook = hooks.make(sender)
    reporting = REPORTING[service]
    if reporting.key and reporting.key.required:
        hooks.set_key(hook, KEYS.get(service, "right-key"))
    return hooks.url(hook)


def signed(service: str, payload: Any, url: str) -> Signed:
    """Body and headers of a report as the service sends it."""
    body, headers = SIGN.get(service, nothing)(payload, KEYS.get(service, "right-key"), url)
    return body, {"Content-Type": "application/json"} | headers


def post(url: str, body: bytes, headers: Headers) -> int:
    """The status with which the site answers."""
    rest = {name: value for name, value in headers.items() if name != "Content-Type"}
    path = "/" + url.split("/", 3)[3]
    answer = Client().post(path, body, content_type=headers.get("Content-Type", ""), headers=rest)
    return answer.status_code
