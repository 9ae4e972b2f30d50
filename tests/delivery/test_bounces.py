"""What the words of mail servers mean for an address."""

from __future__ import annotations

import pytest

from delivery.inbound.bounces import said

HARD = [
    "550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown in local recipient table",
    "smtp; 550-5.1.1 The email account that you tried to reach does not exist.",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    "550 5.2.1 The email account that you tried to reach is inactive.",
    "5.1.2 Host or domain name not found",
    "550 No such user here",
    "550 Requested action not taken: mailbox unavailable",
    "550 Invalid recipient",
    "554 delivery error: this user doesn't exist",
]
SOFT = [
    "452 4.2.2 The email account that you tried to reach is over quota",
    "552 5.2.2 Mailbox full",
    "421 4.4.2 Connection timed out",
    "4.4.7 Delivery time expired",
    "550 over quota",
    "450 4.1.1 Recipient address rejected: unverified address",
]
BLOCK = [
    "550 5.7.1 Message rejected due to content",
    "550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
    "421 4.7.0 Our system has detected an unusual rate of unsolicited mail",
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    "550 Blocked: user unknown or on a blocklist",
    "550 5.1.8 Sender address rejected: Domain not found",
    "554 rejected due to spam content",
    "550 rejected by DMARC policy",
    "552 5.3.4 Message too big for system",
    "554 5.6.0 Message contains invalid header",
]
NOTHING = ["", "550 no", "Undelivered", "from 192.5.1.1: no", "see RFC 5.1.1.2", "version 15.1.1"]


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (words, meaning)
        for group, meaning in ((HARD, "hard"), (SOFT, "soft"), (BLOCK, "block"), (NOTHING, ""))
        for words in group
    ],
)
def test_words_of_a_mail_server(words: str, meaning: str) -> None:
    assert said(words) == meaning
