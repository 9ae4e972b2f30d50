from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from audience.addresses import InvalidAddress, is_mailable, normalise
from tests.factories import CustomerFactory

# Few letters, so that addresses come about often, among them those that lower case and NFC fight over.
letters = st.sampled_from("aZß İıÅσΣéẞⅧ\u0301\u0307\u212b\u200d1.-_+@")
texts = st.text(max_size=40) | st.text(letters, max_size=20).map(lambda text: f"{text}@Bücher.example")


@given(texts)
def test_a_normal_form_is_its_own(raw: str) -> None:
    try:
        address = normalise(raw)
    except InvalidAddress:
        return
    assert normalise(address) == address
    assert address == address.lower()
    assert address.count("@") == 1
    assert len(address) <= 254
    assert not any(character.isspace() or character in "\x00,<>" for character in address)


@pytest.mark.django_db
def test_the_database_agrees_that_every_letter_is_in_lower_case() -> None:
    addresses = []
    for code in [*range(0x80, 0x3000), *range(0xA640, 0xABF0), *range(0x10400, 0x10D00), 0x1E921]:
        try:
            addresses.append(normalise(f"{chr(code)}@example.com"))
        except InvalidAddress:
            continue
    with connection.cursor() as cursor:
        for address in addresses:
            cursor.execute("SELECT lower(%s)", [address])
            assert cursor.fetchone() == (address,)


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        (" Jo.Doe+News@Example.COM\t", "jo.doe+news@example.com"),
        ("o'brien@example.co.uk", "o'brien@example.co.uk"),
        ("info@Bücher.example", "info@xn--bcher-kva.example"),
        ("info@xn--bcher-kva.example", "info@xn--bcher-kva.example"),
        ("Jo\u0308rg@example.com", "jörg@example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_address_is_kept_in_one_form(raw: str, address: str) -> None:
    assert normalise(raw) == address


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("", "is empty"),
        ("nobody", "has no @"),
        ("@example.com", "nothing before the @"),
        ("a@b@example.com", "more than one @"),
        ("jo@", "not a domain name"),
        ("jo@localhost", "full domain name"),
        ("jo@example.com.", "full domain name"),
        ("jo@10.0.0.1", "full domain name"),
        ("jo@-example.com", "not a domain name"),
        ("jo@xn--zzzz.example", "not a domain name"),
        ("jo..doe@example.com", "cannot stand before the @"),
        ("Jo <jo@example.com>", "one bare address"),
        ("jo@example.com, al@example.com", "one bare address"),
        ("jo@example.com\r\nBcc: al@example.com", "one bare address"),
        ("jo\x00@example.com", "cannot stand before the @"),
        ("\ud800@example.com", "cannot stand before the @"),
        ("a" * 65 + "@example.com", "longer than 64"),
        ("a@" + "b." * 126 + "example", "longer than 254"),
        ("a" * 1_000_000 + "@example.com", "longer than 254"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(raw: str, said: str) -> None:
    with pytest.raises(InvalidAddress, match=said) as refusal:
        normalise(raw)
    assert len(str(refusal.value)) < 200


@pytest.mark.django_db
def test_a_normal_form_passes_the_check_of_the_database() -> None:
    for raw in ("ÅSA@example.com", "İ@example.com", "ΟΔΟΣ@example.com"):
        CustomerFactory(email=normalise(raw))


def test_an_address_outside_ascii_cannot_be_mailed() -> None:
    assert not is_mailable(normalise("jörg@example.com"))
    assert is_mailable(normalise("jorg@bücher.example"))
