"""Pictures to upload, made here."""

from __future__ import annotations

import struct
import zlib

GIF = b"GIF89a" + struct.pack("<HH", 3, 2) + b"\0\0\0" + b"\x2c" + bytes(10) + b"\x3b"
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF"
    + bytes(10)
    + b"\xff\xc0\x00\x11\x08"
    + struct.pack(">HH", 200, 320)
    + bytes(10)
) + b"\xff\xd9"


def png(width: int, height: int) -> bytes:
    """A PNG of one colour."""
    rows = (b"\0" + b"\x40\x60\xc0" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
