"""What the tests of e-mail services share: mails, keys, and transports to a server of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email import policy
from email.message import EmailMessage

import pytest

from campaigns.esps import ESPS
from delivery.errors.base import Verdict
from delivery.headers import mailbox, unstructured
from delivery.transports import esp_backends
from delivery.transports.base import Answer, Mail
from delivery.transports.esp import EspTransport, Service
from tests.http_stub import KEY, HttpStub

SUBJECT = "Grüße aus Köln – " + "sehr " * 30 + "lang"
LINK = "https://mail.acme.example/u/" + "t" * 150


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(esp_backends, "CONNECT_SECONDS", 1.5)
    monkeypatch.setattr(esp_backends, "REPLY_SECONDS", 1.5)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def mail(row_id: int, recipient: str = "") -> Mail:
    recipient = recipient or f"c{row_id}@example.com"
    headers = {
        "From": mailbox("Müller, Söhne", "news@acme.example"),
        "Reply-To": "<office@acme.example>",
        "To": mailbox("Ada Örsted", recipient),
        "Subject": unstructured(SUBJECT),
        "Message-ID": f"<{row_id}.1@acme.example>",
        "List-Unsubscribe": f"<{LINK}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": mailbox("Müller", "acme.acme.example"),
        "Feedback-ID": "1:acme:campaign:drumbeat",
    }
    bodies = EmailMessage(policy=policy.SMTP)
    bodies.set_content("Grüße\n", cte="quoted-printable")
    bodies.add_alternative("<p>Grüße</p>\n", subtype="html", cte="quoted-printable")
    bodies.set_boundary("=_drumbeat")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Mail(row_id, "news@acme.example", recipient, head.encode() + bytes(bodies))


def mails(count: int) -> Iterator[Mail]:
    return (mail(i) for i in range(1, count + 1))


def credentials(name: str, key: str = KEY) -> dict[str, str]:
    told = {c.name: key if c.secret else "x" for c in ESPS[name].credentials if c.required}
    # Amazon's secret only signs: it is by its ID that the server knows the key.
    return told | {"access_key_id": key, "region": "eu-central-1"} if name == "amazon_ses" else told


def transport(stub: HttpStub, name: str = "postmark", connections: int = 4, key: str = KEY) -> EspTransport:
    if name == "amazon_ses":
        pytest.importorskip("boto3")
    return EspTransport(Service(ESPS[name], credentials(name, key), stub.url(name)), connections)


def deliver(out: EspTransport, pulled: Iterable[Mail]) -> list[Answer]:
    answers = list(out.deliver(iter(pulled), lambda row_id: None))
    out.close()
    return answers


def verdicts(answers: Iterable[Answer]) -> list[Verdict]:
    return [answer.verdict for answer in answers]
