"""Stage 7, for services that want a mail in parts: our own message, read back from its bytes.

It understands what delivery.message builds and no more, in a tenth of the time that the standard
library's parser takes; that one is the oracle in the tests.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import lru_cache

FOLD = re.compile(r"\r\n(?=[ \t])")
BOUNDARY = re.compile(r'boundary="?([^";]+)', re.IGNORECASE)
# RFC 2047, 2; white space between two encoded words is no part of the text (6.2).
ENCODED_WORD = re.compile(r"=\?([\w-]+)\?([bq])\?([^?]*)\?=", re.IGNORECASE)
BETWEEN_WORDS = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
MAILBOX = re.compile(r"\s*(.*?)\s*<([^<>]*)>\s*", re.DOTALL)
QUOTED_PAIR = re.compile(r"\\(.)")


class NotOurs(ValueError):
    """A message that delivery.message did not build."""


@dataclass(frozen=True, slots=True)
class File:
    """Something that a mail carries beside its texts. An image within it has the `cid` that names it."""

    content_type: str
    name: str
    data: bytes
    cid: str = ""


@dataclass(slots=True)
class Parts:
    """A mail in parts. Header names are in lower case, their values unfolded and still encoded."""

    headers: dict[str, str]
    text: str = ""
    html: str = ""
    files: list[File] = field(default_factory=list)


def read(message: bytes) -> Parts:
    """The headers, the two bodies and the files of a message, or of its own part alone. Raises NotOurs."""
    head, _, body = message.partition(b"\r\n\r\n")
    parts = Parts(_headers(head))
    _read_parts(parts.headers, body, parts)
    return parts


@lru_cache(maxsize=4)
def files_of(tail: bytes) -> tuple[File, ...]:
    """The files that mails share; read once for each tail, which is one object for all of them."""
    boundary, _, body = tail.removeprefix(b"\r\n--").partition(b"\r\n")
    parts = Parts({})
    kind = {"content-type": f'multipart/mixed; boundary="{boundary.decode()}"'}
    _read_parts(kind, b"--" + boundary + b"\r\n" + body, parts)
    return tuple(parts.files)


def decoded(value: str) -> str:
    """A header's value as people read it."""
    if "=?" not in value:
        return value
    return ENCODED_WORD.sub(_word, BETWEEN_WORDS.sub("", value))


def mailbox(value: str) -> str:
    """A mailbox with its name in Unicode, quoted (RFC 5322, 3.4), as Anymail reads it."""
    match = MAILBOX.fullmatch(value)
    if match is None:
        raise NotOurs("An address is not in angle brackets.")
    name, address = match.groups()
    if not name:
        return address
    name = QUOTED_PAIR.sub(r"\1", name[1:-1]) if name.startswith('"') else decoded(name)
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}" <{address}>'


def _headers(head: bytes) -> dict[str, str]:
    lines = FOLD.sub("", head.decode("ascii")).split("\r\n")
    fields = (line.partition(":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in fields}


def _read_parts(headers: Mapping[str, str], body: bytes, parts: Parts) -> None:
    boundary = BOUNDARY.search(headers.get("content-type", ""))
    if boundary is None:
        raise NotOurs("The message has no parts.")
    # What stands before the first and after the last boundary is for nobody (RFC 2046, 5.1.1).
    delimiter = b"\r\n--" + boundary[1].encode()
    for part in (b"\r\n" + body).split(delimiter)[1:]:
        if part.startswith(b"--"):
            return
        _read_part(part, parts)


def _read_part(part: bytes, parts: Parts) -> None:
    head, _, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = _headers(head)
    kind = headers.get("content-type", "").partition(";")[0].lower()
    if kind.startswith("multipart/"):
        _read_parts(headers, body, parts)
        return
    encoding = headers.get("content-transfer-encoding", "7bit").lower()
    if encoding == "quoted-printable":
        body = binascii.a2b_qp(body)
    elif encoding == "base64":
        body = binascii.a2b_base64(body)
    if "content-disposition" in headers:
        parts.files.append(_file(headers, body))
    elif kind == "text/plain":
        parts.text = body.translate(None, b"\r").decode()
    elif kind == "text/html":
        parts.html = body.translate(None, b"\r").decode()
    else:
        raise NotOurs(f"The message has a part of the type {kind or 'unknown'}.")


def _file(headers: Mapping[str, str], data: bytes) -> File:
    # The standard library knows all forms of RFC 2231; there are few files, and they are read once.
    about = Message()
    about["Content-Disposition"] = headers["content-disposition"]
    name = about.get_filename("")
    return File(headers["content-type"], name, data, headers.get("content-id", "").strip("<>"))


def _word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    raw = binascii.a2b_base64(text) if encoding in "bB" else binascii.a2b_qp(text, header=True)
    return raw.decode(charset, "replace")
