"""Stage 6 of the pipeline: one customer's mail, as the bytes that go over the wire.

Built by hand from few parts, since the mail classes of the standard library cost half a millisecond
a mail; they are the oracle in the tests, which parse what is built here and find the same.
"""

from __future__ import annotations

import hashlib
from base64 import encodebytes
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.conf import settings

from campaigns import content
from campaigns.content import qr
from campaigns.models import Campaign, Content, Sender
from delivery import enclosures, tokens
from delivery.headers import date, mailbox, unstructured
from delivery.transports.base import Mail

# RFC 2046, 5.1.1: no line of a part may begin with it; no line of quoted-printable has "=_" in it.
BOUNDARY = "=_drumbeat"
# The links that each mail has of its own, as templates call them, and where they lead (delivery.urls).
PATHS = {"unsubscribe_link": "u", "view_in_browser_link": "v", "click_base": "c", "pixel_link": "o"}


class Recipient(NamedTuple):
    """A ledger row that passed the gate, with what the mail says about the customer."""

    row_id: int
    customer_id: int
    email: str
    # The customer's columns by name, `attributes` included.
    columns: Mapping[str, Any]
    # Off: the links and the mail are as the author wrote them.
    tracked: bool = True
    # Properties of the event that brought the customer into the flow.
    event: Mapping[str, Any] | None = None


class Builder:
    """Builds the mails of one content of a campaign from one sender; what is equal in all is made once."""

    def __init__(
        self,
        campaign: Campaign,
        sender: Sender,
        frozen: Content | None = None,
        tail: bytes | None = None,
    ) -> None:
        """`frozen` is the content of a flow's step; else it is the campaign's own.

        `tail` is what the mails share after their texts, where it is not that of the frozen content.
        """
        frozen = frozen or campaign.content
        if frozen is None:
            raise ValueError(f"campaign {campaign.pk} has no frozen content")
        domain = sender.from_email.rpartition("@")[2]
        self._workspace_id = campaign.workspace_id
        self._sender_address = sender.from_email
        self._content = frozen
        self._content_id = frozen.pk or 0
        self._token = tokens.maker()
        self._links = _makers(settings.SITE_URL)
        self._tracks = campaign.tracked and campaign.workspace.tracked
        self._shared = content.shared_context(campaign.workspace, campaign.name)
        self._id_end = _id_end(campaign.pk, domain)
        self._tail = enclosures.tail_of(frozen) if tail is None else tail
        self._common = _common_headers(campaign, sender, domain, mixed=bool(self._tail))
        self._qr_code = QrCode(campaign.workspace_id, frozen.qr_inline) if self._plain.shows_qr_code else None

    def build(self, to: Recipient) -> Mail:
        """The mail for one recipient. Raises campaigns.content.RenderError.

        Its Message-ID is the same for every attempt, so that a mailbox that gets two shows one.
        """
        token = self._token(self._workspace_id, to.customer_id, to.row_id, self._content_id)
        own = {name: make(token) for name, make in self._links.items()}
        shared = self._shared if to.event is None else {**self._shared, "event": to.event}
        data = content.personal_context(to.columns, own, shared)
        html_head, html_end = HTML_HEAD, END
        if self._qr_code is not None:
            data, html_head, html_end = self._qr_code.added(data, to.customer_id)
        encoder = self._tracking if self._tracks and to.tracked else self._plain
        subject, text, html = encoder.encode(data)
        # RFC 8058: one-click; RFC 2369 for the header itself. One line: relays break folded ones.
        headers = (
            f"To: {mailbox(to.columns['name'], to.email)}\r\n"
            f"Subject: {unstructured(subject)}\r\n"
            f"Date: {date()}\r\n"
            f"Message-ID: <{to.row_id}{self._id_end}\r\n"
            f"List-Unsubscribe: <{own['unsubscribe_link']}>\r\n"
            f"{self._common}"
        )
        message = b"".join((headers.encode("ascii"), TEXT_HEAD, text, html_head, html, html_end))
        # Headers fold with a space, and quoted-printable writes a leading dot as =2E.
        return Mail(to.row_id, self._sender_address, to.email, message, self._tail, dotless=True)

    @cached_property
    def _tracking(self) -> content.Encoder:
        return content.encoder_for(self._content, tracked=True)

    @cached_property
    def _plain(self) -> content.Encoder:
        return content.encoder_for(self._content)


class Builders:
    """The builders of one campaign's mails from one sender, made when they are asked for."""

    def __init__(self, campaign: Campaign, sender: Sender) -> None:
        self._campaign = campaign
        self._sender = sender
        self._made: dict[int | None, Builder] = {}

    def of(self, content_id: int | None) -> Builder:
        """The builder of rows with this content, a flow step's; None: the campaign's own."""
        if content_id not in self._made:
            frozen = Content.objects.get(pk=content_id) if content_id else None
            self._made[content_id] = Builder(self._campaign, self._sender, frozen)
        return self._made[content_id]


def _common_headers(campaign: Campaign, sender: Sender, domain: str, *, mixed: bool) -> str:
    slug = campaign.workspace.slug
    lines = [
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "MIME-Version: 1.0",
        f"From: {mailbox(sender.from_name, sender.from_email)}",
        # RFC 2919: names the list, so that people can filter by it.
        f"List-Id: {mailbox(campaign.workspace.name, f'{slug}.{domain}')}",
        # Gmail's feedback loop reports complaints by these four fields.
        f"Feedback-ID: {campaign.pk}:{slug}:campaign:drumbeat",
    ]
    if mixed:
        kind = f'Content-Type: multipart/mixed; boundary="{enclosures.MIXED}"'
        lines += [kind, "", f"--{enclosures.MIXED}"]
    lines += [f'Content-Type: multipart/alternative; boundary="{BOUNDARY}"', ""]
    if sender.reply_to:
        lines.insert(0, f"Reply-To: {mailbox('', sender.reply_to)}")
    return "\r\n".join(lines)


def links(token: str) -> dict[str, str]:
    """The links of one mail, by the names that templates have for them."""
    return {name: make(token) for name, make in _makers(settings.SITE_URL).items()}


@lru_cache
def _makers(site: str) -> dict[str, Callable[[str], str]]:
    return {name: content.addresses(f"{site}/{path}/") for name, path in PATHS.items()}


def unsubscribe_link(token: str) -> str:
    """The address at which one person can opt out."""
    return links(token)["unsubscribe_link"]


def message_id(row_id: int, campaign_id: int, domain: str) -> str:
    """A Message-ID (RFC 5322, 3.6.4) that belongs to one ledger row of this installation."""
    return f"<{row_id}{_id_end(campaign_id, domain)}"


def _id_end(campaign_id: int, domain: str) -> str:
    installation = hashlib.blake2b(settings.SITE_URL.encode(), digest_size=6).hexdigest()
    return f".{campaign_id}.{installation}@{domain}>"


def _head(boundary: str, kind: str) -> bytes:
    """What stands before a part of a body in parts (RFC 2046, 5.1.1)."""
    return (
        f"\r\n--{boundary}\r\nContent-Type: {kind}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode("ascii")


TEXT_HEAD = _head(BOUNDARY, "text/plain")
HTML_HEAD = b"\r\n" + _head(BOUNDARY, "text/html")
END = f"\r\n\r\n--{BOUNDARY}--\r\n".encode("ascii")

# RFC 2387: the HTML and the image that it shows are one part.
RELATED = "=_related_drumbeat"
RELATED_HEAD = (
    f'\r\n\r\n--{BOUNDARY}\r\nContent-Type: multipart/related; type="text/html"; boundary="{RELATED}"\r\n'
).encode("ascii") + _head(RELATED, "text/html")
QR_CODE = "qr-code@drumbeat"
QR_CODE_HEAD = (
    f"\r\n\r\n--{RELATED}\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
    f'Content-ID: <{QR_CODE}>\r\nContent-Disposition: inline; filename="qr-code.png"\r\n\r\n'
).encode("ascii")
RELATED_END = f"\r\n--{RELATED}--\r\n".encode("ascii") + END


class QrCode:
    """The part of building that is about `customer.qr_code`; templates without it have none of this."""

    def __init__(self, workspace_id: int, inline: bool) -> None:
        self._workspace_id = workspace_id
        self._inline = inline

    def added(self, data: dict[str, object], customer_id: int) -> tuple[dict[str, object], bytes, bytes]:
        """The context with the customer's code, and what stands before and after the HTML."""
        if not self._inline:
            code = qr.of_customer(self._workspace_id, customer_id)
            return content.with_qr_code(data, code), HTML_HEAD, END
        code = qr.of_customer(self._workspace_id, customer_id, f"cid:{QR_CODE}")
        image = encodebytes(qr.png(code)).replace(b"\n", b"\r\n")
        return content.with_qr_code(data, code), RELATED_HEAD, QR_CODE_HEAD + image + RELATED_END
