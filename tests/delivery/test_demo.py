"""The sample and the demo, as somebody meets them who tries Drumbeat for the first time."""

from __future__ import annotations

import re
from collections import Counter
from email import message_from_bytes, policy

import pytest
from django.core.management import call_command

from audience.models import Customer, Suppression
from campaigns.models import Campaign
from delivery.mailbox.store import MailboxStore
from delivery.management.commands.demo import Summary
from delivery.models import SendLog
from tests.delivery.staff import source

LINE = re.compile(
    r"demo matched=(\d+) suppressed=(\d+) sent=(\d+) failed=0 unknown=0 duplicates=0"
    r" seconds=[\d.]+ mails_per_second=\d+\n\Z"
)


@pytest.mark.django_db(transaction=True)
def test_demo_sends_the_sample_campaign_and_counts_what_arrived(
    mailbox: MailboxStore, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("load_sample")
    before = (Customer.objects.count(), Suppression.objects.count())
    call_command("load_sample")
    assert (Customer.objects.count(), Suppression.objects.count()) == before
    call_command("demo")
    said = capsys.readouterr().out
    line = LINE.search(said)
    assert line is not None, said
    matched, suppressed, sent = map(int, line.groups())
    assert (matched, suppressed + sent) == (4746, 4746)
    campaign = Campaign.objects.get(name="Your year in records, no. 1")
    assert sent == mailbox.count(campaign.pk)
    reasons = set(SendLog.objects.filter(status="suppressed").values_list("reason", flat=True))
    assert reasons == {"hard_bounce", "complaint", "unsubscribe"}
    newest = mailbox.search().messages[0]
    mail = message_from_bytes(source(mailbox, newest.id) or b"", policy=policy.default)
    html = mail.get_body(("html",)).get_content()
    assert "{{" not in html + mail["Subject"]
    assert "{%" not in html + mail["Subject"]


GOOD = Summary(10, Counter(sent=8, suppressed=2), 8, 0, 0, 1.0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"matched": 11}, "11 match the segment, 10 are in the ledger"),
        ({"received": 7}, "the ledger says 8 were sent, the mailbox has 7"),
        ({"duplicates": 1}, "1 mails came twice"),
        ({"refused_but_received": 1}, "1 suppressed people got mail"),
    ],
)
def test_figures_that_disagree_are_named(wrong: dict[str, int], says: str) -> None:
    assert GOOD.disagreements() == []
    assert Summary(**vars(GOOD) | wrong).disagreements() == [says]
