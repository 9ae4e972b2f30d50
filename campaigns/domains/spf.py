"""Sender Policy Framework (RFC 7208): which servers may use the domain as bounce address."""

from __future__ import annotations

from campaigns.domains.findings import Finding, Record, State
from campaigns.domains.lookup import Dns
from campaigns.domains.providers import Provider

TOPIC = "SPF"
# RFC 7208, 4.6.4: a record that needs more look-ups than these is an error, and counts as none.
MOST_LOOKUPS = 10
ASKING = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})


def records(texts: list[str]) -> list[str]:
    """Those texts that are records of this kind; servers give them in any order."""
    return sorted(text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 "))


def finding(domain: str, provider: Provider, dns: Dns) -> Finding:
    """What the domain's record says, and what it should. Raises Unanswered."""
    found = records(dns.txt(domain))
    if not found:
        return _none(domain, provider)
    if len(found) > 1:
        says = f"There are {len(found)} SPF records, and receivers believe none of them. Make them one."
        return Finding(TOPIC, State.BAD, says, Record("TXT", domain, _merged(found, provider)))
    [record] = found
    if any(term.lower() in ("all", "+all") for term in record.split()):
        says = "The record lets everybody send for this domain. Let it end in ~all."
        return Finding(TOPIC, State.BAD, says, Record("TXT", domain, _merged(found, provider)))
    walk = Walk(dns)
    walk.go(record)
    if walk.lookups > MOST_LOOKUPS:
        says = (
            f"The record needs {walk.lookups} or more look-ups; receivers stop at {MOST_LOOKUPS} and take "
            "it for broken. Take out includes of services that you do not use any more."
        )
        return Finding(TOPIC, State.BAD, says)
    return _of_provider(domain, record, provider, walk)


def _none(domain: str, provider: Provider) -> Finding:
    if provider.own_bounces:
        return Finding(TOPIC, State.GOOD, _not_asked(provider))
    terms = f"include:{provider.include}" if provider.include else "mx"
    hint = "" if provider.include else f" Ask the operator of {provider.label} what it should name."
    says = f"There is no SPF record. Add one that lets {provider.label} send for this domain.{hint}"
    return Finding(TOPIC, State.BAD, says, Record("TXT", domain, f"v=spf1 {terms} ~all"))


def _of_provider(domain: str, record: str, provider: Provider, walk: Walk) -> Finding:
    used = f"{walk.lookups} of {MOST_LOOKUPS} look-ups"
    if not provider.include:
        says = f"There is a record ({used}). Whether it names {provider.label}, the operator of that knows."
        return Finding(TOPIC, State.GOOD, says)
    if provider.include in walk.names:
        return Finding(TOPIC, State.GOOD, f"The record lets {provider.label} send ({used}).")
    if provider.own_bounces:
        return Finding(TOPIC, State.GOOD, _not_asked(provider))
    says = f"The record does not let {provider.label} send for this domain. Change it to this one."
    return Finding(TOPIC, State.BAD, says, Record("TXT", domain, _merged([record], provider)))


def _not_asked(provider: Provider) -> str:
    return (
        f"{provider.label} takes bounces at an address of its own, so that its mails pass SPF without a "
        "record here. What proves that they are yours is DKIM."
    )


def _merged(found: list[str], provider: Provider) -> str:
    """One record that says what these say, lets the provider send and nobody else."""
    terms = dict.fromkeys(term for record in found for term in record.split()[1:])
    kept = [term for term in terms if term.lower().lstrip("+-~?") != "all"]
    if provider.include and not provider.own_bounces and f"include:{provider.include}" not in kept:
        kept.append(f"include:{provider.include}")
    is_strict = any(term.lower() == "-all" for term in terms)
    return " ".join(["v=spf1", *kept, "-all" if is_strict else "~all"])


class Walk:
    """The look-ups that a receiver makes for a record, and the names that it meets."""

    def __init__(self, dns: Dns) -> None:
        self.lookups = 0
        self.names: set[str] = set()
        self._dns = dns

    def go(self, record: str) -> None:
        """Follow a record. Raises Unanswered."""
        for term in record.split()[1:]:
            name, target = _parted(term)
            if name not in ASKING:
                continue
            self.lookups += 1
            if self.lookups > MOST_LOOKUPS:
                return
            if name in ("include", "redirect") and target not in self.names:
                self.names.add(target)
                self._into(target)

    def _into(self, target: str) -> None:
        # A macro stands for what only a receiver knows.
        if "%" in target:
            return
        if found := records(self._dns.txt(target)):
            self.go(found[0])


def _parted(term: str) -> tuple[str, str]:
    """The name of a term in lower case, and the domain that it names."""
    term = term.lower().lstrip("+-~?")
    for sign in ":=":
        name, found, target = term.partition(sign)
        if found:
            return name.partition("/")[0], target.partition("/")[0].rstrip(".")
    return term.partition("/")[0], ""
