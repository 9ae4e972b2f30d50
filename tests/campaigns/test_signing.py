"""Signatures of links: for one purpose only, and by any key that is kept."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from campaigns import signing


def test_what_was_signed_for_one_purpose_is_worth_nothing_for_another() -> None:
    text = signing.signed(b"body", b"one")
    assert signing.verified(text, b"one") == b"body"
    with pytest.raises(signing.Forged):
        signing.verified(text, b"another")


@pytest.mark.parametrize("text", ["", "é", "A", "====", "AAAA", "A" * 16, "A" * 200])
def test_what_nobody_signed_is_refused(text: str) -> None:
    with pytest.raises(signing.Forged):
        signing.verified(text, b"one")


def test_an_old_key_still_reads_and_a_forgotten_one_does_not(settings: Settings) -> None:
    settings.LINK_KEYS = ["old"]
    text = signing.signed(b"body", b"one")
    settings.LINK_KEYS = ["new", "old"]
    assert signing.verified(text, b"one") == b"body"
    settings.LINK_KEYS = ["new"]
    with pytest.raises(signing.Forged):
        signing.verified(text, b"one")
