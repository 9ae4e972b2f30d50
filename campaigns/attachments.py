"""Files that templates attach: which ones may be, how large a mail may get with them, and their bytes.

Kept in the database, so that every host has them and one backup holds all. What a campaign sends was
frozen when it was activated (campaigns.content.freezing).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import PurePath
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.utils import IntegrityError

from audience import audit
from campaigns.esps import ESPS
from campaigns.models import AttachedFile, Attachment, ContentAttachment, Sender, Template

MB = 1024 * 1024
# Gmail takes no larger mail from anybody, and few others do.
MAIL_LIMIT = 25 * MB
# Graph takes requests of 4 MB, in which the mail stands in base64.
GRAPH_LIMIT = 3 * MB
# For the texts of a mail and its headers.
TEXTS = 256 * 1024
# RFC 2045, 6.8: 57 bytes become a line of 76 characters and its break.
LINE_BYTES, LINE_LENGTH = 57, 78
NAME_LENGTH = 100
# What hides in a name, turns it around or breaks a header.
UNFIT_FOR_NAMES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})


class Unfit(Exception):
    """The file cannot be attached; the message says what to do."""


class Kind(NamedTuple):
    """A kind of file that may be attached. `magic` is what its bytes begin with; none: it is text."""

    content_type: str
    magic: bytes = b""


KINDS = {
    ".pdf": Kind("application/pdf", b"%PDF-"),
    ".png": Kind("image/png", b"\x89PNG\r\n\x1a\n"),
    ".jpg": Kind("image/jpeg", b"\xff\xd8\xff"),
    ".jpeg": Kind("image/jpeg", b"\xff\xd8\xff"),
    ".ics": Kind("text/calendar", b"BEGIN:VCALENDAR"),
    ".csv": Kind("text/csv"),
    ".txt": Kind("text/plain"),
}
# Text that a mail program or an operating system would run.
RUNS = re.compile(rb"\A\s*#!|<\s*(!doctype|html|head|body|script|svg|iframe|object|embed|\?xml|\?php)", re.I)


def attach(template: Template, name: str, data: bytes) -> Attachment:
    """Attach a file to a template. Raises Unfit with what to do instead, and has written nothing then.

    Commits the bytes, unless equal ones are there, and the attachment together.
    """
    name = _fit_name(name)
    content_type = _content_type(name, data)
    together = encoded_size([*sizes(template), len(data)])
    if together + TEXTS > MAIL_LIMIT:
        raise Unfit(
            f"With “{name}” the attachments take {in_mb(together)} in a mail, and no mailbox provider takes "
            f"more than {in_mb(MAIL_LIMIT)} in all. Make the file smaller, or link to it."
        )
    try:
        with transaction.atomic():
            file = _keep(template, content_type, data)
            made: Attachment = Attachment.objects.create(template=template, file=file, name=name)
            about = {"bytes": file.size}
            audit.record("attached", template, workspace=template.workspace_id, name=name, after=about)
            return made
    except IntegrityError as error:
        raise Unfit(f"There is an attachment “{name}” already. Remove it, or rename this file.") from error


def remove(attachment: Attachment) -> None:
    """Take a file off its template, and forget its bytes unless something else names them.

    Campaigns that run keep what was frozen for them. May be repeated.
    """
    with transaction.atomic():
        if Attachment.objects.filter(pk=attachment.pk).delete()[0]:
            template = attachment.template
            audit.record("detached", template, workspace=template.workspace_id, name=attachment.name)
    attached, frozen = (
        Exists(model.objects.filter(file=OuterRef("pk"))) for model in (Attachment, ContentAttachment)
    )
    # Somebody may be about to name it: then the database refuses.
    with suppress(IntegrityError), transaction.atomic():
        AttachedFile.objects.filter(pk=attachment.file_id).exclude(attached | frozen).delete()


def sizes(template: Template) -> list[int]:
    """The sizes of a template's attachments, in bytes."""
    return list(template.attachments.values_list("file__size", flat=True))


def encoded_size(file_sizes: Iterable[int]) -> int:
    """Bytes that files of these sizes take in a mail, in base64."""
    return sum(-(-size // LINE_BYTES) * LINE_LENGTH for size in file_sizes)


def mail_limit(sender: Sender) -> int:
    """Bytes that a mail through this sender may have, as far as is known."""
    if sender.transport == Sender.Transport.ESP and sender.esp in ESPS:
        return min(ESPS[sender.esp].mail_limit * MB, MAIL_LIMIT)
    if sender.transport == Sender.Transport.MICROSOFT:
        return GRAPH_LIMIT
    if sender.transport == Sender.Transport.SMTP and sender.announced_size:
        return min(sender.announced_size, MAIL_LIMIT)
    return MAIL_LIMIT


def too_large_for(template: Template, senders: Iterable[Sender]) -> list[str]:
    """For each sender that does not take mails with the template's attachments, a sentence that says so."""
    together = encoded_size(sizes(template))
    if not together:
        return []
    return [
        f"The attachments take {in_mb(together)} in a mail, and the sender “{sender}” takes mails of "
        f"{in_mb(mail_limit(sender))} at most. Remove an attachment, make it smaller, or use another sender."
        for sender in senders
        if together + TEXTS > mail_limit(sender)
    ]


def in_mb(size: int) -> str:
    return f"{size / MB:.1f}".removesuffix(".0") + " MB"


def _keep(template: Template, content_type: str, data: bytes) -> AttachedFile:
    file, _ = AttachedFile.objects.get_or_create(
        workspace=template.workspace,
        digest=hashlib.sha256(data).hexdigest(),
        defaults={"content_type": content_type, "size": len(data), "data": data},
    )
    return file


def _fit_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = "".join(c for c in name if unicodedata.category(c) not in UNFIT_FOR_NAMES and c != '"').strip(" .")
    suffix = PurePath(name).suffix.lower()
    if suffix not in KINDS:
        kinds = ", ".join(kind[1:] for kind in KINDS)
        raise Unfit(f"“{name}” cannot be attached. Attach a file of one of these kinds: {kinds}.")
    return PurePath(name).stem[: NAME_LENGTH - len(suffix)].strip() + suffix


def _content_type(name: str, data: bytes) -> str:
    """What the file is, by its name and its first bytes, which have to agree."""
    suffix = PurePath(name).suffix
    kind = KINDS[suffix]
    if not data:
        raise Unfit(f"“{name}” is empty. Choose another file.")
    if not data.removeprefix(b"\xef\xbb\xbf").startswith(kind.magic):
        raise Unfit(f"“{name}” is no {suffix[1:].upper()} file, whatever its name says. Save it as one.")
    if kind.content_type.startswith("text/"):
        _check_text(name, data)
    return kind.content_type


def _check_text(name: str, data: bytes) -> None:
    if RUNS.search(data):
        raise Unfit(f"“{name}” holds HTML or a script, which mail filters refuse. Attach a PDF instead.")
    try:
        readable = "\0" not in data.decode()
    except UnicodeDecodeError:
        readable = False
    if not readable:
        raise Unfit(f"“{name}” is no text in UTF-8. Save it with that encoding, or as a PDF.")
