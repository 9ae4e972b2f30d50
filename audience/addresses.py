"""E-mail addresses as Drumbeat keeps them. Every door that takes an address calls `normalise`."""

from __future__ import annotations

import re
import unicodedata

import idna

MAX_LENGTH = 254
MAX_LOCAL_LENGTH = 64

_ATEXT = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]"
_PLAIN_DOMAIN = r"(?:(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
_plain_domain = re.compile(_PLAIN_DOMAIN)
# The addresses of nearly everyone; whatever does not match goes the long way.
_common = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*@{_PLAIN_DOMAIN}")
_local = re.compile(rf"(?:{_ATEXT}|[^\x00-\x7f])+(?:\.(?:{_ATEXT}|[^\x00-\x7f])+)*")
# Controls, separators, and code points whose lower case the databases may know and Python not, or
# the other way round (unassigned, private): an address with one could never be found again.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


class InvalidAddress(ValueError):
    """The text is no e-mail address; the message says why, for people."""


def normalise(raw: str) -> str:
    """Return the one form in which this address is stored and compared.

    Lower case, NFC, the domain in ASCII (IDNA with UTS 46). May be repeated: a normal form is its own.
    Raises InvalidAddress.
    """
    address = raw.strip().lower()
    if len(address) <= MAX_LOCAL_LENGTH and _common.fullmatch(address):
        return address
    if len(address) > 2 * MAX_LENGTH:
        raise InvalidAddress(f"The address is longer than {MAX_LENGTH} characters.")
    local, at, domain = address.partition("@")
    _check_shape(address, at)
    return _assemble(_local_part(local), _domain(domain))


def is_mailable(email: str) -> bool:
    """Say whether a transport can mail this normalised address.

    A local part outside ASCII needs SMTPUTF8 (RFC 6531), which no transport offers yet.
    """
    return email.isascii()


def _check_shape(address: str, at: str) -> None:
    if not address:
        raise InvalidAddress("The address is empty.")
    if not at:
        raise InvalidAddress(f"{_shown(address)} has no @.")
    if any(character in '<>,;:()[]\\"' or character.isspace() for character in address):
        raise InvalidAddress(f"{_shown(address)}: write one bare address, without name, brackets or spaces.")


def _local_part(local: str) -> str:
    # Lower case can undo NFC and NFC can undo lower case; of both, the second pass settles it.
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())
    if not local:
        raise InvalidAddress("There is nothing before the @.")
    if len(local.encode("utf-8", "replace")) > MAX_LOCAL_LENGTH:
        raise InvalidAddress(f"The part before the @ is longer than {MAX_LOCAL_LENGTH} bytes.")
    if not _local.fullmatch(local) or any(
        unicodedata.category(character) in _REFUSED_CATEGORIES for character in local
    ):
        raise InvalidAddress(f"{_shown(local)} cannot stand before the @.")
    return local


def _domain(domain: str) -> str:
    if "@" in domain:
        raise InvalidAddress("There is more than one @.")
    if _plain_domain.fullmatch(domain):
        return domain
    try:
        name = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidAddress(f"{_shown(domain)} is not a domain name.") from error
    top = name.rpartition(".")[2]
    if "." not in name or not top or top.isdigit():
        raise InvalidAddress(f"{_shown(domain)} is not a full domain name such as example.com.")
    return name


def _assemble(local: str, domain: str) -> str:
    address = f"{local}@{domain}"
    if len(address) > MAX_LENGTH:
        raise InvalidAddress(f"The address is longer than {MAX_LENGTH} characters.")
    return address


def _shown(text: str) -> str:
    """The text as a message may carry it: short, and no control characters."""
    return repr(text if len(text) <= 80 else text[:80] + "…")
