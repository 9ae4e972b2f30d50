"""QR codes in mails: `{{ customer.qr_code }}`, which names a customer, and the filter `qr_code` for any text.

In HTML a code is an image that mail programs load from this site, under an address that only this
installation can make; in plain text it is what the code says.
"""

from __future__ import annotations

import html
import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import segno
from django.conf import settings
from liquid.exceptions import FilterError
from liquid.undefined import Undefined

from campaigns import signing

# Bytes; longer texts make codes that few telephones read, and addresses that few mail programs load.
TEXT_LIMIT = 300
# Pixels of a mail; the image has more, for screens that are finer.
SHOWN_SIZE = 160
_PURPOSE = b"drumbeat-qr"
_CUSTOMER = struct.Struct(">IQ")
_OF_CUSTOMER, _OF_TEXT = b"c", b"t"


class InvalidCode(Exception):
    """The address of a code is damaged or was not made by this installation."""


@dataclass(frozen=True, slots=True)
class CustomerCode:
    """Whom the code of a customer names."""

    workspace_id: int
    customer_id: int


class Code(str):
    """What a QR code says. In HTML it is the image at `source`."""

    source: str

    def __new__(cls, says: str, source: str) -> Code:
        code = super().__new__(cls, says)
        code.source = source
        return code

    def __html__(self) -> str:
        return (
            f'<img src="{html.escape(self.source)}" width="{SHOWN_SIZE}" height="{SHOWN_SIZE}" alt="QR code"'
            ' style="border:0">'
        )


def of_customer(workspace_id: int, customer_id: int, source: str = "") -> Code:
    """The code that names a customer, for good; its image stands at `source`, else on this site."""
    token = _signed(_OF_CUSTOMER + _CUSTOMER.pack(workspace_id, customer_id))
    return Code(_customer_link(token), source or _image_address(token))


def of_text(value: object) -> object:
    """The filter: a code that says a text, such as an address or a member's number; nothing for nothing."""
    text = "" if value is None or isinstance(value, Undefined) else str(value).strip()
    raw = text.encode()
    if len(raw) > TEXT_LIMIT:
        raise FilterError(f"qr_code: a code says at most {TEXT_LIMIT} bytes", token=None)
    return Code(text, _image_address(_signed(_OF_TEXT + raw))) if raw else ""


def what_it_says(token: str) -> str:
    """What the image of a token says. Raises InvalidCode."""
    body = _verified(token)
    return _customer_link(token) if body[:1] == _OF_CUSTOMER else body[1:].decode()


def whom_it_names(token: str) -> CustomerCode:
    """The customer whose code a token is of. Raises InvalidCode."""
    body = _verified(token)
    if body[:1] != _OF_CUSTOMER:
        raise InvalidCode
    return CustomerCode(*_CUSTOMER.unpack(body[1:]))


def png(says: str) -> bytes:
    """The image of a code."""
    return _drawn(says, "png", scale=8)


def svg(says: str) -> bytes:
    """The same for print, in any size."""
    return _drawn(says, "svg", scale=8, xmldecl=False)


def _drawn(says: str, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    segno.make(says, error="m", micro=False).save(out, kind=kind, border=4, **options)
    return out.getvalue()


def _customer_link(token: str) -> str:
    return f"{settings.SITE_URL}/p/{token}"


def _image_address(token: str) -> str:
    return f"{settings.SITE_URL}/q/{token}.png"


def _signed(body: bytes) -> str:
    return signing.signed(body, _PURPOSE)


def _verified(token: str) -> bytes:
    """What was signed. Raises InvalidCode."""
    try:
        return signing.verified(token, _PURPOSE)
    except signing.Forged as error:
        raise InvalidCode from error
