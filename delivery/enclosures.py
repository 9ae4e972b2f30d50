"""Stage 6: what all mails of a campaign carry behind their texts, encoded once for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from email import policy
from email.message import EmailMessage
from functools import lru_cache

from campaigns.models import Content, Template
from campaigns.models.attachment import Enclosed

# RFC 2046, 5.1.2: a line that begins with the boundary of an outer part ends the inner one, so none of
# our boundaries begins like another.
MIXED = "=_mixed_drumbeat"


def tail_of(content: Content) -> bytes:
    """What ends each mail of frozen content after its texts; empty when nothing is attached.

    Kept for the life of the process for the contents last used: one object, which all mails share.
    """
    return _frozen(content.pk, content.digest) if content.pk else b""


def tail_of_template(template: Template) -> bytes:
    """The same for a template as it stands now."""
    return _tail(template.attachments.select_related("file"))


@lru_cache(maxsize=4)
def _frozen(content_id: int, digest: str) -> bytes:
    return _tail(Content(pk=content_id).attachments.select_related("file"))


def _tail(enclosed: Iterable[Enclosed]) -> bytes:
    delimiter = f"\r\n--{MIXED}\r\n".encode()
    parts = [delimiter + _part(each) for each in enclosed]
    return b"".join([*parts, f"\r\n--{MIXED}--\r\n".encode()]) if parts else b""


def _part(enclosed: Enclosed) -> bytes:
    """A part with the file in base64 and its name as RFC 2231 has it."""
    maintype, subtype = enclosed.file.content_type.split("/")
    part = EmailMessage(policy.SMTP)
    part.set_content(
        bytes(enclosed.file.data),
        maintype,
        subtype,
        disposition="attachment",
        filename=enclosed.name,
        params={"charset": "utf-8"} if maintype == "text" else None,
    )
    del part["MIME-Version"]
    return bytes(part)
