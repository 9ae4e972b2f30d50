"""Tokens: signed, short, and readable for as long as one of the keys is kept."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from campaigns import signing
from delivery import tokens
from delivery.tokens import InvalidToken, Reference

SMALL, LARGE = st.integers(0, 2**32 - 1), st.integers(0, 2**63 - 1)


@given(SMALL, LARGE, LARGE, SMALL)
def test_a_token_says_what_it_was_made_of(workspace: int, customer: int, row: int, content: int) -> None:
    about = Reference(workspace, customer, row, content)
    token = tokens.make(about)
    assert tokens.read(token) == about
    assert len(token) == 48 and set(token) <= set("-_") | set(
        map(chr, [*range(48, 58), *range(65, 91), *range(97, 123)])
    )


def old_token(about: Reference) -> str:
    """As it was made before links were tracked."""
    body = struct.pack(">IQQ", about.workspace_id, about.customer_id, about.row_id)
    return signing.signed(body, tokens._PURPOSE)


def test_a_token_of_before_is_still_read() -> None:
    about = Reference(3, 2**40, 2**50)
    assert len(old_token(about)) == 43
    assert tokens.read(old_token(about)) == about


@pytest.mark.parametrize("make", [tokens.make, old_token])
def test_a_token_with_anything_changed_is_refused(make: object) -> None:
    raw = base64.urlsafe_b64decode(make(Reference(1, 2, 3, 4)) + "==")  # type: ignore[operator]
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(InvalidToken):
            tokens.read(base64.urlsafe_b64encode(changed).decode())
    for cut in (raw[:-1], raw + b"\0", raw[:20], raw[:12], b""):
        with pytest.raises(InvalidToken):
            tokens.read(base64.urlsafe_b64encode(cut).decode())


def test_keys_are_changed_one_after_the_other(settings: Settings) -> None:
    settings.LINK_KEYS = ["old"]
    before = tokens.make(Reference(1, 2, 3, 4))
    settings.LINK_KEYS = ["new", "old"]
    assert tokens.read(before) == tokens.read(tokens.make(Reference(1, 2, 3, 4)))
    assert tokens.make(Reference(1, 2, 3, 4)) != before
    settings.LINK_KEYS = ["new"]
    with pytest.raises(InvalidToken):
        tokens.read(before)
