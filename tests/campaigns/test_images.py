"""Pictures are looked at by their bytes, kept once, and found by an address that nobody can guess."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import images
from campaigns.images import Unfit, measure
from campaigns.models import Image
from tests.campaigns.pictures import GIF, JPEG, png
from tests.factories import WorkspaceFactory


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (png(640, 480), (Image.Kind.PNG, 640, 480)),
        (GIF, (Image.Kind.GIF, 3, 2)),
        (JPEG, (Image.Kind.JPEG, 320, 200)),
    ],
)
def test_the_bytes_say_what_it_is_and_how_large(data: bytes, says: tuple[str, int, int]) -> None:
    assert measure(data) == says


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><script>alert(1)</script></html>",
        png(640, 480)[:-20],
        JPEG[:8],
        b"\xff\xd8\xff\xe0" + b"\0" * 30 + b"\xff\xd9",
        png(0, 10),
        b"%PDF-1.7",
    ],
)
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    assert measure(data) is None


@given(st.binary(max_size=200), st.sampled_from([b"", png(9, 9)[:24], JPEG[:12], GIF[:6]]))
def test_no_bytes_make_measuring_fail(data: bytes, beginning: bytes) -> None:
    found = measure(beginning + data)
    assert found is None or (found.width > 0 and found.height > 0)


@pytest.mark.django_db
def test_equal_pictures_are_kept_once_in_each_workspace() -> None:
    own, other = WorkspaceFactory(), WorkspaceFactory(slug="other")
    first, again = (images.keep(own, name, png(10, 20)) for name in ("a.png", "b.png"))
    assert first == again
    assert images.keep(other, "a.png", png(10, 20)) != first
    assert (first.name, first.width, first.height, first.size) == ("a.png", 10, 20, len(png(10, 20)))


@pytest.mark.django_db
def test_its_address_names_it_and_cannot_be_guessed(settings: object) -> None:
    image = images.keep(WorkspaceFactory(), "a.png", png(10, 20))
    file_name = images.address(image).rpartition("/")[2]
    assert len(image.token) == 24
    assert images.find(file_name) == image
    assert images.find(f"{image.token}.gif") is None
    assert images.find("x") is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"MZ", "no complete PNG, JPEG or GIF"),
        (png(10, 10) + bytes(5 * images.MB), "larger than 5 MB"),
        (png(9000, 10), "wider or higher than 8,000 pixels"),
    ],
)
def test_what_is_unfit_is_refused_in_words(data: bytes, says: str) -> None:
    with pytest.raises(Unfit, match=says):
        images.keep(WorkspaceFactory(), "../a\u202e.png", data)
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    ("name", "fit"),
    [("C:\\a\\b.png", "b.png"), ("../../x.gif", "x.gif"), ("a\u202eb.png", "ab.png"), ("", "picture")],
)
def test_names_are_shown_without_what_hides_in_them(name: str, fit: str) -> None:
    assert images.fit_name(name) == fit


def test_a_name_is_the_beginning_of_a_description() -> None:
    assert images.words("spring_sale-2.png") == "Spring sale 2"


def test_the_png_of_these_tests_is_one() -> None:
    """Their checksums hold, so that a browser shows it."""
    data, position = png(4, 4), 8
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        chunk = data[position + 4 : position + 8 + length]
        assert struct.unpack(">I", data[position + 8 + length : position + 12 + length])[0] == zlib.crc32(
            chunk
        )
        position += 12 + length
