"""Pieces of quoted-printable, put together in any order, are the text in one."""

from __future__ import annotations

import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.content import quoted_printable
from campaigns.content.quoted_printable import Parted, piece, whole
from tests.campaigns.grammar import WORDS

TEXTS = st.one_of(
    st.lists(WORDS, max_size=8).map("".join),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300),
)


def unified(text: str) -> str:
    return re.sub("\r\n|\r|\n", "\r\n", text)


@given(st.lists(TEXTS.filter(lambda text: not text.endswith("\r")), max_size=5))
def test_pieces_are_their_texts_one_after_the_other(texts: list[str]) -> None:
    body = b"".join(map(piece, texts))
    assert quopri.decodestring(body).decode() == "".join(map(unified, texts))
    assert re.fullmatch(rb"[\t\r\n -~]*", body)
    for line in body.split(b"\r\n"):
        assert len(line) <= 76
        assert not re.search(rb"^\.|[ \t]$|[\r\n]|=_", line)


@given(TEXTS)
def test_a_whole_text_may_end_in_any_way(text: str) -> None:
    assert quopri.decodestring(whole(text)).decode() == unified(text)


def test_half_a_line_break_is_no_piece() -> None:
    with pytest.raises(Parted):
        piece("a\r")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", b""),
        ("Ada", b"Ada=\r\n"),
        ("Ada\n", b"Ada\r\n"),
        ("a \nb", b"a=20\r\nb=\r\n"),
        (".", b"=2E=\r\n"),
        ("x" * 75 + ".", b"x" * 75 + b"=\r\n=2E=\r\n"),
        ("x" * 74 + "é", b"x" * 74 + b"=\r\n=C3=A9=\r\n"),
        ("x" * 69 + "é=", b"x" * 69 + b"=C3=A9=\r\n=3D=\r\n"),
    ],
)
def test_lines_are_folded_before_an_escape_and_begin_with_no_dot(text: str, encoded: bytes) -> None:
    assert piece(text) == encoded


def test_a_long_line_takes_time_by_its_length_alone() -> None:
    assert quopri.decodestring(quoted_printable.piece("é." * 500_000)) == ("é." * 500_000).encode()
