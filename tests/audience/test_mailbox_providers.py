"""Who keeps a mailbox: Python and SQL say the same of every address."""

from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from audience.addresses import InvalidAddress, normalise
from audience.mailbox_providers import (
    DOMAINS,
    FIRST_LABELS,
    MailboxProvider,
    mailbox_provider,
    mailbox_provider_sql,
)

KNOWN = [name for names in [*DOMAINS.values(), *FIRST_LABELS.values()] for name in names]
labels = st.sampled_from([*KNOWN, "com", "co", "fr", "uk", "live", "acme", "gmail", "mail"])
domains = st.lists(labels, min_size=1, max_size=3).map(".".join)
locals_ = st.sampled_from(["ada", "gmail.com", "hotmail.fr", "a+b", "o'neil", "100%", "ä"])


@pytest.mark.parametrize(
    ("email", "provider"),
    [
        ("ada@gmail.com", MailboxProvider.GOOGLE),
        ("ada@googlemail.com", MailboxProvider.GOOGLE),
        ("ada@hotmail.co.uk", MailboxProvider.MICROSOFT),
        ("ada@outlook.com", MailboxProvider.MICROSOFT),
        ("ada@live.fr", MailboxProvider.MICROSOFT),
        ("ada@yahoo.co.jp", MailboxProvider.YAHOO),
        ("ada@aol.com", MailboxProvider.YAHOO),
        ("ada@acme.example", MailboxProvider.OTHER),
        ("ada@gmail.com.example", MailboxProvider.OTHER),
        ("ada@notgmail.com", MailboxProvider.OTHER),
        ("ada@mail.yahoo.com", MailboxProvider.OTHER),
        ("gmail.com@acme.example", MailboxProvider.OTHER),
    ],
)
def test_the_domain_tells_the_provider(email: str, provider: MailboxProvider) -> None:
    assert mailbox_provider(email) == provider


@pytest.mark.django_db
@settings(max_examples=200, deadline=None)
@given(local=locals_, domain=domains)
@example(local="ada", domain="live.com")
@example(local="ada", domain="liveXcom.example")
def test_sql_says_the_same_of_every_address(local: str, domain: str) -> None:
    try:
        email = normalise(f"{local}@{domain}")
    except InvalidAddress:
        assume(False)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {mailbox_provider_sql('email')} FROM (SELECT %s AS email) a", [email])  # noqa: S608 - of ours
        assert cursor.fetchone() == (mailbox_provider(email),)


def test_every_provider_but_other_has_domains() -> None:
    assert set(MailboxProvider) - {MailboxProvider.OTHER} == set(DOMAINS) | set(FIRST_LABELS)
