"""Whose fault it is that a mail came back, by each service's own words and by the mail server's.

Hard: the address takes no mail and never will; it is suppressed. Soft: not now. Block: what was refused
is the sender, its reputation or the content, so the address is left alone. In doubt a bounce is soft:
an address that is really gone bounces again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason

from delivery.models import Event

HARD, SOFT, BLOCK = Event.Bounce.HARD, Event.Bounce.SOFT, Event.Bounce.BLOCK
# The service itself refuses, since the person complained or unsubscribed before.
LEFT = "left"

# What the values at a place in a service's own event mean; `*` in the place stands for the only key.
Table = tuple[str, Mapping[Any, str]]

_AMAZON: Mapping[Any, str] = {"Permanent": HARD, "Transient": SOFT, "Undetermined": SOFT}
_AMAZON_FINE: Mapping[Any, str] = {
    **dict.fromkeys(("NoEmail", "Suppressed", "OnAccountSuppressionList"), HARD),
    "MailboxFull": SOFT,
    **dict.fromkeys(("MessageTooLarge", "ContentRejected", "AttachmentRejected"), BLOCK),
}
_BREVO: Mapping[Any, str] = {"invalid_email": HARD, "blocked": BLOCK, "error": BLOCK}
_MAILGUN: Mapping[Any, str] = {
    "suppress-bounce": HARD,
    "old": SOFT,
    "espblock": BLOCK,
    **dict.fromkeys(("suppress-complaint", "suppress-unsubscribe"), LEFT),
}
_MAILJET: Mapping[Any, str] = {
    **dict.fromkeys(("user unknown", "mailbox inactive", "invalid domain", "typofix"), HARD),
    **dict.fromkeys(("quota exceeded", "no mail host", "greylisted"), SOFT),
    **dict.fromkeys(("blacklisted", "relay/access denied", "preblocked", "duplicate in campaign"), BLOCK),
    **dict.fromkeys(("sender blocked", "content blocked", "policy issue"), BLOCK),
    "spam reporter": LEFT,
}
_MANDRILL: Mapping[Any, str] = {
    "invalid_domain": HARD,
    "mailbox_full": SOFT,
    "policy_related": BLOCK,
    "spam": BLOCK,
}
_MANDRILL_LIST: Mapping[Any, str] = {
    **dict.fromkeys(("hard-bounce", "invalid"), HARD),
    "soft-bounce": SOFT,
    **dict.fromkeys(("spam", "unsub"), LEFT),
}
_POSTMARK: Mapping[Any, str] = {
    "BadEmailAddress": HARD,
    **dict.fromkeys(("Blocked", "SpamNotification", "VirusNotification", "DMARCPolicy"), BLOCK),
    **dict.fromkeys(("ManuallyDeactivated", "Unconfirmed"), BLOCK),
}
_SPARKPOST: Mapping[Any, str] = {
    **dict.fromkeys(("10", "30"), HARD),
    **dict.fromkeys(("20", "21", "22", "24", "40", "70"), SOFT),
    **dict.fromkeys(("23", "25", "50", "51", "52", "53", "54"), BLOCK),
}
_UNISENDER: Mapping[Any, str] = {
    **dict.fromkeys(("err_user_unknown", "err_user_inactive", "err_mailbox_discarded"), HARD),
    "err_domain_inactive": HARD,
    **dict.fromkeys(("err_mailbox_full", "err_unreachable", "err_delivery_failed"), SOFT),
    **dict.fromkeys(("err_spam_rejected", "err_spam_skipped", "err_blacklisted", "err_too_large"), BLOCK),
    "err_unsubscribed": LEFT,
}
# Exact words of a service, which say more than the mail server's.
EXACT: dict[str, tuple[Table, ...]] = {
    "amazon_ses": (("bounce.bounceSubType", _AMAZON_FINE),),
    "brevo": (("event", _BREVO),),
    "mailgun": (("event-data.reason", _MAILGUN),),
    "mailjet": (("error", _MAILJET),),
    "mandrill": (
        ("msg.bounce_description", _MANDRILL),
        ("reject.reason", _MANDRILL_LIST),
        ("msg.reject.reason", _MANDRILL_LIST),
    ),
    "postmark": (("SuppressionReason", {"HardBounce": HARD}), ("Type", _POSTMARK)),
    "resend": (("data.bounce.subType", _AMAZON_FINE),),
    "sparkpost": (("msys.*.bounce_class", _SPARKPOST),),
    "unisender_go": (("delivery_info.delivery_status", _UNISENDER),),
}
# What a service says where the mail server's words do not.
BROAD: dict[str, Table] = {
    "amazon_ses": ("bounce.bounceType", _AMAZON),
    "brevo": ("event", {"hard_bounce": HARD, "soft_bounce": SOFT}),
    "mailersend": ("data.type", {"hard_bounced": HARD, "soft_bounced": SOFT}),
    "mailgun": ("event-data.severity", {"permanent": HARD, "temporary": SOFT}),
    "mailjet": ("hard_bounce", {True: HARD, False: SOFT}),
    "mailtrap": ("event", {"bounce": HARD, "soft bounce": SOFT}),
    "mandrill": ("event", {"hard_bounce": HARD, "soft_bounce": SOFT}),
    "postal": ("payload.status", {"HardFail": SOFT}),
    "postmark": ("Type", {"HardBounce": HARD, "SoftBounce": SOFT}),
    "resend": ("data.bounce.type", _AMAZON),
}
# Where neither says anything, by Anymail's own summary.
REASONS = {
    RejectReason.INVALID: HARD,
    RejectReason.BLOCKED: BLOCK,
    RejectReason.SPAM: BLOCK,
    RejectReason.UNSUBSCRIBED: LEFT,
}

# RFC 3463 and the registry of RFC 5248; neither part of an IP address nor of a version.
ENHANCED = re.compile(r"(?<![\d.])([45])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
CODES = {
    **dict.fromkeys(("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"), HARD),
    "5.2.2": SOFT,
    # The sender's address, too large, or the content.
    **dict.fromkeys(("5.1.7", "5.1.8", "5.2.3", "5.3.4"), BLOCK),
}
# By subject: network and routing pass; what is wrong with the content or forbidden is not the address.
SUBJECTS = {"4": SOFT, "6": BLOCK, "7": BLOCK}
WORDS = (
    (
        re.compile(
            r"\bspam|\bblock(ed|list)|\bblacklist|\breputation\b|\bpolicy\b|\bDMARC\b|\bDKIM\b|\bSPF\b"
            r"|\b(spamhaus|barracuda|RBL|DNSBL)\b|\bcontent (was )?rejected\b|\brejected due to content\b",
            re.IGNORECASE,
        ),
        BLOCK,
    ),
    (re.compile(r"\bquota\b|\b(mailbox|inbox) (is )?full\b|\bover ?quota\b", re.IGNORECASE), SOFT),
    (
        re.compile(
            r"\b(user|recipient|account|mailbox|address) (is )?(unknown|not found|invalid)\b"
            r"|\b(unknown|no such|invalid) (local )?(user|recipient|account|mailbox|address|domain)\b"
            r"|\bdoes ?n[o']t exist\b|\bmailbox unavailable\b|\bdomain not found\b",
            re.IGNORECASE,
        ),
        HARD,
    ),
)


def kind(service: str, event: AnymailTrackingEvent) -> str:
    """Hard, soft, block, or LEFT, for a mail that bounced or that the service refused after accepting it."""
    for table in EXACT.get(service, ()):
        if found := _meaning(event.esp_event, table):
            return found
    if found := said(f"{event.mta_response or ''} {event.description or ''}"):
        return found
    if service in BROAD and (found := _meaning(event.esp_event, BROAD[service])):
        return found
    # What the service refused by itself is no fault of the address unless it says so.
    otherwise = SOFT if event.event_type == EventType.BOUNCED else BLOCK
    return REASONS.get(event.reject_reason, otherwise)


def said(words: str) -> str:
    """What a mail server's words mean: its enhanced status code, else the text; empty: nothing."""
    if code := ENHANCED.search(words):
        number, (kind_of, subject, _) = code[0], code.groups()
        if found := CODES.get(number) or SUBJECTS.get(subject):
            return found
        if kind_of == "4":
            return SOFT
    return next((meaning for pattern, meaning in WORDS if pattern.search(words)), "")


def _meaning(event: Any, table: Table) -> str:
    """What a table makes of an event; empty: nothing."""
    place, meanings = table
    for name in place.split("."):
        if not isinstance(event, Mapping):
            return ""
        event = next(iter(event.values()), None) if name == "*" else event.get(name)
    return meanings.get(event, "") if isinstance(event, str | bool) else ""
