"""DMARC (RFC 7489): what receivers shall do with mails that only pretend to come from the domain."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.domains.findings import Finding, Record, State
from campaigns.domains.lookup import Dns
from campaigns.domains.providers import Provider

TOPIC = "DMARC"
POLICIES = {
    "none": "lets forgeries through and only reports them; “quarantine” would stop them",
    "quarantine": "has forgeries put aside as spam",
    "reject": "has forgeries refused",
}


def finding(domain: str, provider: Provider, dns: Dns) -> Finding:
    """The policy that receivers find for the domain, and how it fits the provider. Raises Unanswered."""
    for name in _up_the_tree(domain):
        found = [text for text in dns.txt(f"_dmarc.{name}") if text.lower().startswith("v=dmarc1")]
        if len(found) > 1:
            says = f"There are {len(found)} DMARC records for {name}; receivers take none of them. Keep one."
            return Finding(TOPIC, State.BAD, says)
        if found:
            return _of_record(domain, name, found[0], provider)
    says = (
        "There is no DMARC record. Gmail, Yahoo and Outlook ask whoever sends many mails for one. This one "
        "changes nothing about your mails, and is enough."
    )
    return Finding(TOPIC, State.BAD, says, Record("TXT", f"_dmarc.{domain}", "v=DMARC1; p=none"))


def _up_the_tree(domain: str) -> Iterator[str]:
    """The domain and those above it, as receivers look for a policy; a top level has none."""
    labels = domain.split(".")
    for start in range(len(labels) - 1):
        yield ".".join(labels[start:])


def _of_record(domain: str, name: str, record: str, provider: Provider) -> Finding:
    tags = {
        key.strip().lower(): value.strip().lower()
        for key, _, value in (part.partition("=") for part in record.split(";"))
    }
    policy = tags.get("p", "")
    if name != domain:
        policy = tags.get("sp", policy)
    if policy not in POLICIES:
        says = "The DMARC record has no policy that receivers understand. Let it begin like this one."
        return Finding(TOPIC, State.BAD, says, Record("TXT", f"_dmarc.{name}", "v=DMARC1; p=none"))
    says = f"The policy “{policy}” of {name} {POLICIES[policy]}."
    if tags.get("adkim") == "s":
        strict = (
            f" It is strict: {provider.label} has to sign with exactly {domain}, not with a domain near it."
        )
        return Finding(TOPIC, State.WARNING, says + strict)
    return Finding(TOPIC, State.GOOD, says)
