"""DKIM (RFC 6376): the key with which receivers verify that a mail is the domain's own."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from campaigns.domains.findings import Finding, Record, State
from campaigns.domains.lookup import Dns
from campaigns.domains.providers import Provider

TOPIC = "DKIM"
# RFC 8301, 3.2: shorter keys prove nothing.
SHORTEST_KEY = 1024


def finding(domain: str, selector: str, provider: Provider, dns: Dns) -> Finding:
    """Whether there is a key under the selector, or under those of the provider. Raises Unanswered."""
    selectors = (selector,) if selector else provider.selectors
    if not selectors:
        says = (
            f"{provider.label} gives each of its customers a selector of their own. Enter it in the field "
            "“DKIM selector” and save: it stands before “._domainkey” in the record that you were given."
        )
        return Finding(TOPIC, State.UNKNOWN, says)
    names = [f"{each}._domainkey.{domain}" for each in selectors]
    for name in names:
        if texts := [text for text in dns.txt(name) if "p=" in text]:
            return _of_key(name, texts[0], provider)
    says = (
        f"There is no key under {names[0]}, so receivers cannot tell that the mails are yours. Add the "
        f"record that {provider.label} shows for this domain"
        + (", or enter its selector." if not selector else ".")
    )
    return Finding(TOPIC, State.BAD, says, Record("TXT or CNAME", names[0]))


def _of_key(name: str, record: str, provider: Provider) -> Finding:
    tags = dict(part.strip().partition("=")[::2] for part in record.split(";"))
    key = "".join(tags.get("p", "").split())
    if not key:
        says = f"The key under {name} was withdrawn. Add the one that {provider.label} shows now."
        return Finding(TOPIC, State.BAD, says)
    bits = _rsa_bits(key) if tags.get("k", "rsa").strip() == "rsa" else None
    if bits == 0:
        says = f"What stands under {name} is no key. Copy it anew from {provider.label}, all of it."
        return Finding(TOPIC, State.BAD, says)
    if bits is not None and bits < SHORTEST_KEY:
        return Finding(TOPIC, State.BAD, f"The key under {name} has {bits} bits, and receivers ask for more.")
    length = f" of {bits} bits" if bits else ""
    return Finding(TOPIC, State.GOOD, f"There is a key{length} under {name}.")


def _rsa_bits(key: str) -> int:
    """The length of an RSA key in base64; 0 for what is none."""
    try:
        public = load_der_public_key(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return 0
    return public.key_size if isinstance(public, rsa.RSAPublicKey) else 0
