"""Pictures for mails: looked at before they are kept, and served to everybody by this site.

Only what every mail program shows: PNG, JPEG and GIF. SVG could carry scripts, and few mail programs
draw it. Kept in the database, so that every host serves them and one backup holds all.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db import transaction

from audience import audit
from audience.models import Workspace
from campaigns.models import Image

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MB = 1024 * 1024
SIZE_LIMIT = 5 * MB
# A picture of more pixels takes a telephone's memory, however few bytes it has.
SIDE_LIMIT = 8_000
# Above it people on a slow network wait to see it.
HEAVY = 1 * MB
NAME_LENGTH = 150
CONTENT_TYPES: dict[str, str] = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif"}
PNG = b"\x89PNG\r\n\x1a\n"
# ISO/IEC 10918-1, B.1.1.3: frame headers; the others of 0xC0 to 0xCF are tables and arithmetic coding.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}


class Unfit(Exception):
    """The file cannot be shown in mails; the message says what to do."""


class Measures(NamedTuple):
    """What the bytes of a picture say of it, whatever its name says."""

    kind: Image.Kind
    width: int
    height: int


def keep(workspace: Workspace, name: str, data: bytes, actor: User | None = None) -> Image:
    """Keep a picture, unless the workspace has an equal one, which is returned then.

    Raises Unfit, and has written nothing then. May be repeated and run at once in several processes.
    """
    name = fit_name(name)
    if len(data) > SIZE_LIMIT:
        raise Unfit(too_large(name))
    found = measure(data)
    if found is None:
        raise Unfit(f"“{name}” is no complete PNG, JPEG or GIF. Save it as one of these, and try again.")
    if max(found.width, found.height) > SIDE_LIMIT:
        raise Unfit(f"“{name}” is wider or higher than {SIDE_LIMIT:,} pixels. Make it smaller first.")
    columns = {"kind": found.kind, "name": name, "width": found.width, "height": found.height}
    columns |= {"size": len(data), "data": data, "uploaded_by": actor}
    with transaction.atomic():
        image, is_new = Image.objects.get_or_create(
            workspace=workspace, digest=hashlib.sha256(data).hexdigest(), defaults=columns
        )
        if is_new:
            about = {"bytes": len(data)}
            audit.record("picture uploaded", image, workspace=workspace, actor=actor, name=name, after=about)
    made: Image = image
    return made


def too_large(name: str) -> str:
    return f"“{fit_name(name)}” is larger than {SIZE_LIMIT // MB} MB. Make it smaller first."


def address(image: Image) -> str:
    """Where everybody can load it; it is good for as long as the picture is kept."""
    return f"{settings.SITE_URL}/i/{image.file_name}"


def find(file_name: str) -> Image | None:
    """The picture behind the last part of its address."""
    token, _, kind = file_name.partition(".")
    found: Image | None = Image.objects.filter(token=token, kind=kind).first()
    return found


def fit_name(name: str) -> str:
    """The name to show: without folders and without what hides in a name or turns it around."""
    name = unicodedata.normalize("NFC", PurePath(name.replace("\\", "/")).name)
    shown = "".join(character for character in name if character.isprintable()).strip()
    return shown[:NAME_LENGTH] or "picture"


def words(name: str) -> str:
    """A name as the beginning of a description: "spring_sale-2.png" is "Spring sale 2"."""
    return re.sub(r"[\s_.-]+", " ", PurePath(name).stem).strip().capitalize()


def measure(data: bytes) -> Measures | None:
    """The kind and size of a picture, by its bytes; None for what is none, or is cut off."""
    try:
        found = _png(data) or _gif(data) or _jpeg(data)
    except IndexError:
        return None
    return found if found and found.width and found.height else None


def _png(data: bytes) -> Measures | None:
    """PNG (ISO/IEC 15948), 11.2.2: the header is the first chunk; an end chunk is the last."""
    if not data.startswith(PNG) or data[12:16] != b"IHDR" or b"IEND" not in data[-64:]:
        return None
    return Measures(Image.Kind.PNG, _number(data[16:20]), _number(data[20:24]))


def _gif(data: bytes) -> Measures | None:
    if data[:6] not in (b"GIF87a", b"GIF89a") or b"\x3b" not in data[-16:]:
        return None
    width, height = data[6:8], data[8:10]
    return Measures(Image.Kind.GIF, _number(width[::-1]), _number(height[::-1]))


def _jpeg(data: bytes) -> Measures | None:
    """JPEG: from segment to segment up to the frame's header."""
    if not data.startswith(b"\xff\xd8\xff") or b"\xff\xd9" not in data:
        return None
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker in FRAMES:
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return Measures(Image.Kind.JPEG, _number(width), _number(height))
        if marker == 0xFF:
            position += 1
        elif marker in ALONE:
            position += 2
        else:
            position += 2 + max(2, _number(data[position + 2 : position + 4]))
    return None


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")
