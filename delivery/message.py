"""Stage 6 of the pipeline: one customer's mail, as the bytes that go over the wire.

Built by hand from few parts, since the mail classes of the standard library cost half a millisecond
a mail; they are the oracle in the tests, which parse what is built here and find the same.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime, formataddr
from typing import Any

from django.conf import settings
from django.utils import timezone

from campaigns import content
from campaigns.models import Campaign, Sender
from delivery import tokens
from delivery.transports.base import Mail

# RFC 5322, 2.2: a header's value is one logical line of printable characters.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Recipient:
    """A ledger row that passed the gate, with what the mail says about the customer."""

    row_id: int
    customer_id: int
    email: str
    # The customer's columns by name, `attributes` included.
    columns: Mapping[str, Any]


class Builder:
    """Builds the mails of one campaign from one sender; what is equal in all is made once."""

    def __init__(self, campaign: Campaign, sender: Sender) -> None:
        if campaign.content is None:
            raise ValueError(f"campaign {campaign.pk} has no frozen content")
        self._campaign = campaign
        self._sender = sender
        self._renderer = content.renderer_for(campaign.content)
        self._domain = sender.from_email.rpartition("@")[2]
        self._common = self._common_headers()

    def build(self, to: Recipient) -> Mail:
        """The mail for one recipient. Raises campaigns.content.RenderError.

        Its Message-ID is the same for every attempt, so that a mailbox that gets two shows one.
        """
        token = tokens.make(tokens.Reference(self._campaign.workspace_id, to.customer_id, to.row_id))
        unsubscribe = unsubscribe_link(token)
        context = content.context(to.columns, self._campaign.workspace, self._campaign.name, unsubscribe)
        rendered = self._renderer.render(context)
        boundary = f"=_{hashlib.blake2b(token.encode(), digest_size=12).hexdigest()}"
        headers = [
            self._common,
            f"To: {mailbox(to.columns['name'], to.email)}",
            f"Subject: {subject(rendered.subject)}",
            f"Date: {format_datetime(timezone.now())}",
            f"Message-ID: {message_id(to.row_id, self._campaign.pk, self._domain)}",
            # RFC 8058: one-click; RFC 2369 for the header itself. One line: relays break folded ones.
            f"List-Unsubscribe: <{unsubscribe}>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            f'Content-Type: multipart/alternative; boundary="{boundary}"',
        ]
        message = "\r\n".join([*headers, ""]).encode("ascii")
        message += alternatives(boundary, rendered.text, rendered.html)
        return Mail(to.row_id, self._sender.from_email, to.email, message)

    def _common_headers(self) -> str:
        campaign, sender = self._campaign, self._sender
        slug = campaign.workspace.slug
        lines = [
            "MIME-Version: 1.0",
            f"From: {mailbox(sender.from_name, sender.from_email)}",
            # RFC 2919: names the list, so that people can filter by it.
            f"List-Id: {mailbox(campaign.workspace.name, f'{slug}.{self._domain}')}",
            # Gmail's feedback loop reports complaints by these four fields.
            f"Feedback-ID: {campaign.pk}:{slug}:campaign:drumbeat",
        ]
        if sender.reply_to:
            lines.append(f"Reply-To: {mailbox('', sender.reply_to)}")
        return "\r\n".join(lines)


def unsubscribe_link(token: str) -> str:
    """The address at which one person can opt out."""
    return f"{settings.SITE_URL}/u/{token}"


def message_id(row_id: int, campaign_id: int, domain: str) -> str:
    """A Message-ID (RFC 5322, 3.6.4) that belongs to one ledger row of this installation."""
    installation = hashlib.blake2b(settings.SITE_URL.encode(), digest_size=6).hexdigest()
    return f"<{row_id}.{campaign_id}.{installation}@{domain}>"


def mailbox(name: str, address: str) -> str:
    """A display name and an address in angle brackets, as a header holds them (RFC 5322, 3.4)."""
    name = _CONTROL.sub(" ", name).strip()
    if not name:
        return f"<{address}>"
    if name.isascii():
        return formataddr((name, address))
    encoded = Header(name, "utf-8", maxlinelen=76, header_name="List-Id").encode(linesep="\r\n")
    return f"{encoded} <{address}>"


def subject(text: str) -> str:
    """A subject, encoded and folded (RFC 2047) where it needs it."""
    text = _CONTROL.sub(" ", text).strip()
    if text.isascii() and len(text) <= 76 - len("Subject: "):
        return text
    return Header(text, "utf-8", maxlinelen=76, header_name="Subject").encode(linesep="\r\n")


def alternatives(boundary: str, text: str, html: str) -> bytes:
    """The body of a multipart/alternative message (RFC 2046, 5.1.4): the text part, then the HTML."""
    parts = _part(boundary, "text/plain", text) + _part(boundary, "text/html", html)
    return parts + f"\r\n--{boundary}--\r\n".encode("ascii")


def _part(boundary: str, kind: str, text: str) -> bytes:
    # RFC 2045, 6.7: lines of at most 76 printable ASCII characters, each ending in CRLF.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    body = binascii.b2a_qp(lines.encode() + b"\r\n", istext=True)
    head = f"\r\n--{boundary}\r\nContent-Type: {kind}; charset=utf-8\r\n"
    return f"{head}Content-Transfer-Encoding: quoted-printable\r\n\r\n".encode("ascii") + body
