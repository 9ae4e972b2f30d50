"""A received message as people read it: its headers, its text and its HTML, as far as they can be made out.

A mailbox takes everything, so nothing here may fail. The standard library's older policy is used, since
the newer one raises on headers as simple as `To: <`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from typing import cast

SHOWN_HEADERS = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe")


@dataclass(frozen=True)
class File:
    """A file that a message carries; an image that its HTML shows has a `cid`."""

    name: str
    kind: str
    data: bytes
    cid: str = ""


@dataclass(frozen=True)
class Parsed:
    """What a mail program would show. A part that the message does not have is None."""

    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    files: list[File] = field(default_factory=list)


def parse(raw: bytes) -> Parsed:
    """Read a message; what cannot be decoded is replaced or shown as it came."""
    mail = message_from_bytes(raw)
    files = list(_files(mail))
    html = _part(mail, "text/html")
    if html is not None:
        html = _with_images(html, files)
    return Parsed(
        list(_headers(mail)), _part(mail, "text/plain"), html, [file for file in files if not file.cid]
    )


def _headers(mail: Message) -> Iterator[tuple[str, str]]:
    values = {name.lower(): value for name, value in reversed(mail.items())}
    for name in SHOWN_HEADERS:
        if name.lower() in values:
            yield name, _decoded(str(values[name.lower()]))


def _decoded(value: str) -> str:
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    value = " ".join(value.split())
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _files(mail: Message) -> Iterator[File]:
    for part in mail.walk():
        cid = str(part.get("Content-ID", "")).strip("<> ")
        data = part.get_payload(decode=True)
        if not isinstance(data, bytes) or not (cid or part.get_content_disposition() == "attachment"):
            continue
        yield File(_decoded(part.get_filename("") or "(no name)"), part.get_content_type(), data, cid)


def _with_images(html: str, files: list[File]) -> str:
    """The HTML with the images that the message brings along, where it names them (RFC 2392)."""
    for file in files:
        if file.cid and file.kind.startswith("image/"):
            shown = f"data:{file.kind};base64,{b64encode(file.data).decode()}"
            html = html.replace(f"cid:{file.cid}", shown)
    return html


def _part(mail: Message, kind: str) -> str | None:
    for part in mail.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            content = cast(bytes, part.get_payload(decode=True))
            try:
                return content.decode(part.get_content_charset("utf-8"), "replace")
            except (LookupError, ValueError):
                return content.decode("utf-8", "replace")
    return None
