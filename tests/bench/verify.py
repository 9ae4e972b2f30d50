"""Whether what was sent is what should have been: asked of the sink's record, not of the ledger."""

from __future__ import annotations

import email
import email.policy
import random
from collections import Counter
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from tests.bench.sinks import Sink

if TYPE_CHECKING:
    from campaigns.models import Campaign

# Mails that are rendered again.
SAMPLE = 200
HEAD = b"\nMessage-ID: <"


class Wrong(Exception):
    """Something was sent twice, not at all, or other than it should have been."""


def verify(campaign: Campaign, *sinks: Sink) -> dict[str, Any]:
    """Hold the records against the ledger, and a sample against the ordinary rendering. Raises Wrong."""
    from delivery.models import SendLog

    ledger = SendLog.objects.filter(campaign=campaign, status=SendLog.Status.SENT)
    expected = set(ledger.values_list("email", flat=True).iterator())
    chosen = set(random.Random(1).sample(sorted(expected), min(SAMPLE, len(expected))))  # noqa: S311
    taken: Counter[str] = Counter()
    idents: set[bytes] = set()
    size = 0
    for sink in sinks:
        for recipient, message in sink.mails():
            taken[recipient] += 1
            idents.add(_ident(message))
            size += len(message) + message.count(b"\n")
            if recipient in chosen:
                _check_content(campaign, recipient, message)
    _check_recipients(expected, taken, idents)
    return {"recorded": taken.total(), "compared": len(chosen), "wire_bytes": size // max(taken.total(), 1)}


def _check_recipients(expected: set[str], taken: Counter[str], idents: set[bytes]) -> None:
    twice = [address for address, count in taken.items() if count > 1]
    missing, uncalled = expected - taken.keys(), taken.keys() - expected
    if twice or missing or uncalled or len(idents) != len(expected):
        raise Wrong(
            f"{len(twice)} got two mails, {len(missing)} none, {len(uncalled)} one that is not in the"
            f" ledger; {len(idents)} Message-IDs for {len(expected)} recipients"
        )


def _ident(message: bytes) -> bytes:
    start = message.find(HEAD)
    return message[start + len(HEAD) : message.find(b">", start)]


def _check_content(campaign: Campaign, recipient: str, message: bytes) -> None:
    """Render the mail anew by Liquid and compare what a mail program shows."""
    from audience.models import Customer
    from campaigns import content
    from delivery.message import links

    mail = email.message_from_bytes(message.lstrip(b"\n"), policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    customer = Customer.objects.filter(email=recipient, workspace=campaign.workspace)
    columns = customer.values(*content.CUSTOMER_COLUMNS).get()
    own = links(mail["List-Unsubscribe"].strip("<>").rpartition("/")[2])
    assert campaign.content is not None
    data = content.context(columns, campaign.workspace, campaign.name, **own)
    rendered = content.Renderer(content.compiled(campaign.content, tracked=True)).render(data)
    shown = {kind: mail.get_body((kind,)) for kind in ("html", "plain")}
    for kind, wanted in (("html", rendered.html), ("plain", rendered.text)):
        part = shown[kind]
        if part is None or _lines(part.get_content()) != _lines(wanted):
            raise Wrong(f"the {kind} part for {recipient} is not what the template says")
    if " ".join(mail["Subject"].split()) != " ".join(rendered.subject.split()):
        raise Wrong(f"the subject for {recipient} is {mail['Subject']!r}, not {rendered.subject!r}")


def _lines(text: str) -> list[str]:
    return text.rstrip().splitlines()
