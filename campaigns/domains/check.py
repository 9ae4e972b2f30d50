"""One look at a sender's domain, and what of the last look a campaign's owner should know."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.utils import timezone

from campaigns.domains import dkim, dmarc, spf
from campaigns.domains.findings import Finding, State
from campaigns.domains.lookup import Dns, Unanswered
from campaigns.domains.providers import Provider, is_freemail, is_own_freemail, provider_of
from campaigns.models import DomainCheck, Sender

NO_ANSWER = "The DNS gave no answer in time. Check again in a minute."


def check(sender: Sender) -> DomainCheck:
    """Ask the DNS about the domain of the sender's From address, and keep what it says with the time.

    Takes some seconds at most, however slow the DNS is, so no transaction may be open. May be repeated.
    """
    domain = domain_of(sender)
    findings = [finding.stored() for finding in _findings(sender, domain)]
    kept, _ = DomainCheck.objects.update_or_create(
        sender=sender, defaults={"domain": domain, "findings": findings, "checked_at": timezone.now()}
    )
    return kept


def warnings(sender: Sender) -> list[str]:
    """What keeps the sender's mails out of inboxes, as far as is known without asking, in sentences."""
    if sender.transport == Sender.Transport.MAILBOX:
        return []
    domain, provider = domain_of(sender), provider_of(sender)
    if is_freemail(domain):
        return [] if is_own_freemail(domain, provider) else [f"“{sender}”: {_forged(domain, provider)}"]
    last = DomainCheck.objects.filter(sender=sender, domain=domain).first()
    if last is None:
        return [
            f"“{sender}”: Nobody has looked yet whether {domain} is set up for sending. Check its domain."
        ]
    missing = [finding["topic"] for finding in last.findings if finding["state"] == State.BAD]
    if not missing:
        return []
    return [
        f"“{sender}”: {domain} is not set up for sending ({', '.join(missing)}), which Gmail, Yahoo and "
        "Outlook ask for. Many mails may be refused or end as spam. See the sender's page for what to add."
    ]


def domain_of(sender: Sender) -> str:
    return sender.from_email.rpartition("@")[2].lower()


def _findings(sender: Sender, domain: str) -> list[Finding]:
    if sender.transport == Sender.Transport.MAILBOX:
        says = "The local mailbox sends nothing out, so that its domain needs no records."
        return [Finding("Domain", State.GOOD, says)]
    provider = provider_of(sender)
    if is_freemail(domain):
        return [_of_freemail(domain, provider)]
    try:
        dns = Dns()
    except Unanswered:
        return [Finding("DNS", State.UNKNOWN, "This machine has no name server. Set DNS_SERVERS.")]
    questions: dict[str, Callable[[], Finding]] = {
        spf.TOPIC: lambda: spf.finding(domain, provider, dns),
        dkim.TOPIC: lambda: dkim.finding(domain, sender.dkim_selector, provider, dns),
        dmarc.TOPIC: lambda: dmarc.finding(domain, provider, dns),
        "MX": lambda: _of_mx(domain, dns),
    }
    with ThreadPoolExecutor(len(questions), "dns") as pool:
        return list(pool.map(lambda question: _answer(*question), questions.items()))


def _answer(topic: str, ask: Callable[[], Finding]) -> Finding:
    try:
        return ask()
    except Unanswered:
        return Finding(topic, State.UNKNOWN, NO_ANSWER)


def _of_freemail(domain: str, provider: Provider) -> Finding:
    if is_own_freemail(domain, provider):
        says = f"{provider.label} signs the mails of its own addresses; there is nothing to add."
        return Finding("Domain", State.GOOD, says)
    return Finding("Domain", State.BAD, _forged(domain, provider))


def _forged(domain: str, provider: Provider) -> str:
    return (
        f"Addresses at {domain} cannot be used through {provider.label}: receivers take such mails for "
        "forged. Use an address of a domain of your own."
    )


def _of_mx(domain: str, dns: Dns) -> Finding:
    hosts = dns.mx(domain)
    if hosts and hosts != ["."]:
        return Finding("MX", State.GOOD, f"Replies and bounces go to {hosts[0].rstrip('.')}.")
    says = (
        f"Nobody takes mail for {domain}: replies and bounces are lost. Let its MX record name a mail server."
    )
    return Finding("MX", State.WARNING, says)
