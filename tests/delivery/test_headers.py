"""Header values that are put together by hand are read by the standard library and must say the same."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import unquote

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from delivery.headers import date, mailbox, unstructured

TEXTS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=120),
    st.lists(
        st.sampled_from(["a", " ", "é", "漢字", "😀", '"', "\\", "=?utf-8?b?eA==?=", ",", "x" * 70])
    ).map("".join),
)


def parsed(field: str, value: str) -> EmailMessage:
    raw = f"{field}: {value}\r\n\r\n".encode("ascii")
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail.keys() == [field]
    assert not mail[field].defects
    return mail


@given(TEXTS)
def test_any_text_survives(text: str) -> None:
    assert str(parsed("Subject", unstructured(text))["Subject"]) == text.strip()


def display_name(value: str) -> str:
    """Read by the older parser, since the newer one puts spaces between encoded words."""
    shown = value.rpartition("<")[0].strip()
    return unquote(shown) if shown.startswith('"') else str(make_header(decode_header(shown)))


@given(TEXTS)
def test_any_display_name_survives(name: str) -> None:
    value = mailbox(name, "ada.lovelace@mail.example.com")
    for field in ("To", "From", "Reply-To"):
        (address,) = parsed(field, value)[field].addresses
        assert address.addr_spec == "ada.lovelace@mail.example.com"
    assert display_name(value) == name.strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "<a@x.example>"),
        ("Ada Lovelace", "Ada Lovelace <a@x.example>"),
        ("Lovelace, Ada", '"Lovelace, Ada" <a@x.example>'),
        ("Zoë", "=?utf-8?b?Wm/Dqw==?= <a@x.example>"),
        ("a\r\nBcc: b@x.example", '"a Bcc: b@x.example" <a@x.example>'),
    ],
)
def test_names_are_quoted_or_encoded_where_they_need_it(name: str, value: str) -> None:
    assert mailbox(name, "a@x.example") == value


def test_line_breaks_in_a_text_make_no_field() -> None:
    assert unstructured("Hi\r\nBcc: b@x.example\x00\u2028!") == "Hi Bcc: b@x.example !"


def test_the_date_follows_the_clock() -> None:
    for second in ("00", "01"):
        with time_machine.travel(f"2026-03-01T10:20:{second}+02:00"):
            assert date() == f"Sun, 01 Mar 2026 08:20:{second} +0000"
