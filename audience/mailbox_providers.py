"""Who keeps the mailbox behind an address: the large providers count a sender's mails by themselves.

Told by the domain of the address. A company's own domain whose mailboxes are with one of them counts
as other: its MX record would tell, at the price of a look-up per domain.
"""

from __future__ import annotations

from django.db import connection, models
from django.utils.translation import gettext_lazy as _


class MailboxProvider(models.TextChoices):
    GOOGLE = "google", "Gmail"
    MICROSOFT = "microsoft", "Microsoft"
    YAHOO = "yahoo", "Yahoo"
    OTHER = "other", _("Other")


# Domains, and first labels of domains that each country has one of (hotmail.fr).
DOMAINS = {
    # The last is nobody's (RFC 2606), and the sample's.
    MailboxProvider.GOOGLE: ("gmail.com", "googlemail.com", "gmail.example"),
    MailboxProvider.MICROSOFT: ("msn.com", "passport.com"),
    MailboxProvider.YAHOO: ("aol.com", "ymail.com", "rocketmail.com", "myyahoo.com"),
}
FIRST_LABELS = {
    MailboxProvider.MICROSOFT: ("hotmail", "outlook", "live"),
    MailboxProvider.YAHOO: ("yahoo",),
}


def mailbox_provider(email: str) -> MailboxProvider:
    """Who keeps the mailbox of a normalised address."""
    domain = email.rpartition("@")[2]
    for provider, domains in DOMAINS.items():
        if domain in domains or domain.partition(".")[0] in FIRST_LABELS.get(provider, ()):
            return provider
    return MailboxProvider.OTHER


def mailbox_provider_sql(email: str) -> str:
    """SQL that says the same of an SQL expression that is a normalised address."""
    return provider_of_domain_sql(domain_sql(email))


def domain_sql(email: str) -> str:
    """SQL for the domain of an SQL expression that is a normalised address."""
    position = "strpos" if connection.vendor == "postgresql" else "instr"
    return f"substr({email}, {position}({email}, '@') + 1)"


def provider_of_domain_sql(domain: str) -> str:
    """The same for an SQL expression that is a domain, where it is at hand."""
    by_label = _case(_first_label_sql(domain), FIRST_LABELS, f"'{MailboxProvider.OTHER}'")
    return _case(domain, DOMAINS, by_label)


def _case(expression: str, names: dict[MailboxProvider, tuple[str, ...]], otherwise: str) -> str:
    """SQL for the provider that has an expression among its names. In this form it is computed once a row."""
    cases = [f"WHEN '{name}' THEN '{provider}'" for provider, own in names.items() for name in own]
    return f"CASE {expression} {' '.join(cases)} ELSE {otherwise} END"


def _first_label_sql(domain: str) -> str:
    if connection.vendor == "postgresql":
        return f"split_part({domain}, '.', 1)"
    return f"substr({domain}, 1, instr({domain} || '.', '.') - 1)"
