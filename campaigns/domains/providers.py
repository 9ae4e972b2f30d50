"""What each provider wants to stand in the DNS of its customers, as far as it is the same for all of them.

From the providers' own pages. A selector that differs from customer to customer is not here: its place is
the field on the sender.
"""

from __future__ import annotations

from dataclasses import dataclass

from audience.mailbox_providers import MailboxProvider, mailbox_provider
from campaigns.esps import ESPS
from campaigns.models import Sender


@dataclass(frozen=True, slots=True)
class Provider:
    """Who hands a sender's mails to their receivers."""

    label: str
    # What an SPF record includes to let it send.
    include: str = ""
    # Under which it publishes the keys that it signs with; the first that has one will do.
    selectors: tuple[str, ...] = ()
    # It takes bounces at an address of its own, so that SPF asks its domain and not the sender's.
    own_bounces: bool = False
    # Whose mailboxes it sends for.
    mailboxes: MailboxProvider = MailboxProvider.OTHER


GOOGLE = Provider("Google", "_spf.google.com", ("google",), mailboxes=MailboxProvider.GOOGLE)
MICROSOFT = Provider(
    "Microsoft 365",
    "spf.protection.outlook.com",
    ("selector1", "selector2"),
    mailboxes=MailboxProvider.MICROSOFT,
)
YAHOO = Provider("Yahoo", mailboxes=MailboxProvider.YAHOO)
SERVICES = {
    "amazon_ses": Provider("Amazon SES", "amazonses.com", own_bounces=True),
    "brevo": Provider("Brevo", "spf.brevo.com", ("brevo1", "brevo2", "mail"), own_bounces=True),
    "mailersend": Provider("MailerSend", "_spf.mailersend.net", ("mlsend2", "mlsend"), own_bounces=True),
    "mailgun": Provider("Mailgun", "mailgun.org", ("pic", "mailo", "k1", "krs", "smtp", "mx", "email")),
    "mailjet": Provider("Mailjet", "spf.mailjet.com", ("mailjet",), own_bounces=True),
    "mailtrap": Provider("Mailtrap", "_spf.smtp.mailtrap.live", ("rwmt1", "rwmt2"), own_bounces=True),
    "mandrill": Provider("Mandrill", "spf.mandrillapp.com", ("mte1", "mte2", "mandrill"), own_bounces=True),
    "postmark": Provider("Postmark", "spf.mtasv.net", own_bounces=True),
    "resend": Provider("Resend", "amazonses.com", ("resend",), own_bounces=True),
    "scaleway": Provider("Scaleway", "_spf.tem.scaleway.com"),
    "sparkpost": Provider("SparkPost", "sparkpostmail.com", own_bounces=True),
    "unisender_go": Provider("Unisender Go", "spf.unisender.com", ("us",), own_bounces=True),
}
MAILBOXES: dict[str, Provider] = {Sender.Transport.GMAIL: GOOGLE, Sender.Transport.MICROSOFT: MICROSOFT}
# By the end of an SMTP server's name.
HOSTS = {
    "gmail.com": GOOGLE,
    "google.com": GOOGLE,
    "office365.com": MICROSOFT,
    "outlook.com": MICROSOFT,
    "yahoo.com": YAHOO,
    "amazonaws.com": SERVICES["amazon_ses"],
    "brevo.com": SERVICES["brevo"],
    "sendinblue.com": SERVICES["brevo"],
    "mailersend.net": SERVICES["mailersend"],
    "mailgun.org": SERVICES["mailgun"],
    "mailjet.com": SERVICES["mailjet"],
    "mailtrap.io": SERVICES["mailtrap"],
    "mandrillapp.com": SERVICES["mandrill"],
    "postmarkapp.com": SERVICES["postmark"],
    "resend.com": SERVICES["resend"],
    "scw.cloud": SERVICES["scaleway"],
    "sparkpostmail.com": SERVICES["sparkpost"],
    "sendgrid.net": Provider("SendGrid", "sendgrid.net", ("s1", "s2"), own_bounces=True),
    "fastmail.com": Provider("Fastmail", "spf.messagingengine.com", ("fm1", "fm2", "fm3")),
    "zoho.com": Provider("Zoho", "zohomail.com", ("zmail", "zoho")),
    "zoho.eu": Provider("Zoho", "zohomail.eu", ("zmail", "zoho")),
}
# Mailboxes that everybody may have, beside those that audience.mailbox_providers knows. Who sends from
# them through somebody else is taken for a forger.
FREEMAIL = frozenset(
    """
    gmx.com gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de mail.de posteo.de icloud.com me.com
    mac.com proton.me protonmail.com mail.com mail.ru inbox.ru list.ru bk.ru yandex.ru yandex.com
    orange.fr wanadoo.fr free.fr laposte.net libero.it virgilio.it seznam.cz wp.pl o2.pl onet.pl
    qq.com 163.com 126.com naver.com comcast.net verizon.net att.net btinternet.com zoho.com
    fastmail.com hey.com tutanota.com
    """.split()  # noqa: SIM905 - read more easily than a list
)


def provider_of(sender: Sender) -> Provider:
    """Who hands the sender's mails to their receivers."""
    if sender.transport == Sender.Transport.ESP:
        esp = ESPS.get(sender.esp)
        return SERVICES.get(sender.esp, Provider(esp.label if esp else "the service"))
    if sender.transport in MAILBOXES:
        return MAILBOXES[sender.transport]
    host = sender.host.lower()
    found = (who for end, who in HOSTS.items() if host == end or host.endswith(f".{end}"))
    return next(found, Provider(sender.host or "the mail server"))


def is_freemail(domain: str) -> bool:
    """Whether everybody may have an address at this domain."""
    return domain in FREEMAIL or mailbox_provider(f"x@{domain}") != MailboxProvider.OTHER


def is_own_freemail(domain: str, provider: Provider) -> bool:
    """Whether the provider is the one whose addresses these are."""
    return (
        provider.mailboxes != MailboxProvider.OTHER and mailbox_provider(f"x@{domain}") == provider.mailboxes
    )
