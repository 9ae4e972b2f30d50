"""Bounces and complaints that come back as mail, as a mail server pipes them in."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from django.core.management import call_command

from audience.models import Suppression
from campaigns.models import Campaign
from delivery import tokens
from delivery.inbound import inbox
from delivery.message import unsubscribe_link
from delivery.models import Event, Inbound, SendLog
from delivery.tokens import Reference
from tests.delivery.doubt import in_doubt
from tests.delivery.webhooks.mails import sent, told

pytestmark = pytest.mark.django_db
MakeCampaign = Callable[..., Campaign]
ROOT = Path(__file__).parents[2]


def original(row: SendLog, token: str = "") -> EmailMessage:
    """The mail that is returned, as far as it matters."""
    about = Reference(row.workspace_id, row.customer_id, row.pk)
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "news@acme.example", row.email, "Spring"
    mail["Message-ID"] = f"<{row.pk}.{row.campaign_id}.abc@acme.example>"
    mail["List-Unsubscribe"] = f"<{unsubscribe_link(token or tokens.make(about))}>"
    mail.set_content("Hello")
    return mail


def multipart(kind: str, *parts: tuple[str, bytes]) -> bytes:
    """A multipart/report (RFC 6522)."""
    lines = [b"From: <mailer-daemon@mx.example>", b"To: <news@acme.example>", b"Subject: Returned"]
    lines += [b"Date: Sun, 01 Mar 2026 12:00:00 +0000", b"MIME-Version: 1.0"]
    lines += [f'Content-Type: multipart/report; report-type={kind}; boundary="b"'.encode(), b""]
    for content_type, body in (("text/plain", b"I'm sorry to inform you."), *parts):
        lines += [b"--b", f"Content-Type: {content_type}".encode(), b"", body]
    return b"\r\n".join([*lines, b"--b--", b""])


def bounce(
    row: SendLog, action: str, status: str, words: str, returned: bytes | None = None, headers: bool = False
) -> bytes:
    """A delivery status notification (RFC 3464)."""
    fields = (
        "Reporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; {row.email}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {words}\r\nLast-Attempt-Date: Sun, 01 Mar 2026 11:00:00 +0000\r\n"
    )
    raw = bytes(original(row)) if returned is None else returned
    kind = "text/rfc822-headers" if headers else "message/rfc822"
    body = raw.partition(b"\r\n\r\n")[0] if headers else raw
    return multipart("delivery-status", ("message/delivery-status", fields.encode()), (kind, body))


def complaint(row: SendLog, kind: str = "abuse") -> bytes:
    """A complaint (RFC 5965)."""
    fields = (
        f"Feedback-Type: {kind}\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\n"
        "Arrival-Date: Sun, 01 Mar 2026 12:00:00 GMT\r\n"
    )
    return multipart(
        "feedback-report",
        ("message/feedback-report", fields.encode()),
        ("message/rfc822", bytes(original(row))),
    )


@pytest.fixture
def row(active_campaign: MakeCampaign) -> SendLog:
    return sent(active_campaign(1))[0]


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[bytes], str]:
    """What the command says to a mail on its standard input."""

    def run(raw: bytes) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        call_command("take_report")
        return capsys.readouterr().out.strip()

    return run


Take = Callable[[bytes], str]


@pytest.mark.parametrize(
    ("status", "event", "reason"),
    [
        ("failed 5.1.1 550 5.1.1 User unknown", ("bounced", "hard"), "hard_bounce"),
        ("failed 5.2.2 552 5.2.2 Mailbox full", ("bounced", "soft"), ""),
        ("failed 4.4.7 delivery time expired", ("bounced", "soft"), ""),
        ("failed 5.7.1 554 5.7.1 Blocked", ("bounced", "block"), ""),
        ("failed 5.0.0 550 something else", ("bounced", "soft"), ""),
        ("Delayed 4.4.1 connection timed out", ("deferred", ""), ""),
        ("delivered 2.1.5 250 OK", ("delivered", ""), ""),
        ("relayed 2.1.9 250 OK", ("delivered", ""), ""),
    ],
)
@pytest.mark.parametrize("headers", [True, False], ids=["headers only", "whole mail"])
def test_a_bounce_becomes_its_event(
    row: SendLog, take: Take, status: str, event: tuple[str, str], reason: str, headers: bool
) -> None:
    action, code, words = status.split(maxsplit=2)
    assert take(bounce(row, action, code, words, headers=headers)) == "taken"
    assert not Event.objects.exists()
    inbox.process(1)
    assert told() == [event]
    assert Event.objects.get().detail == f"{code} smtp; {words}"
    assert Event.objects.get().at.hour == 11
    assert list(Suppression.objects.values_list("reason", flat=True)) == ([reason] if reason else [])


@pytest.mark.parametrize("kind", ["abuse", "fraud", "Abuse"])
def test_a_complaint_suppresses_at_once(row: SendLog, take: Take, kind: str) -> None:
    take(complaint(row, kind))
    inbox.process(1)
    assert told() == [("complained", "")]
    assert Suppression.objects.get().reason == "complaint"


def test_not_spam_takes_nothing_back_and_does_nothing(row: SendLog, take: Take) -> None:
    assert take(complaint(row, "not-spam")).startswith("no report")
    assert not Inbound.objects.exists()


def test_a_mail_as_postfix_pipes_it_is_read(row: SendLog, take: Take) -> None:
    raw = bounce(row, "failed", "5.1.1", "User unknown").replace(b"\r\n", b"\n")
    envelope = b"From MAILER-DAEMON  Sun Mar  1 12:00:00 2026\nDelivered-To: news@acme.example\n"
    assert take(envelope + raw) == "taken"
    inbox.process(1)
    assert told() == [("bounced", "hard")]


def test_the_same_mail_twice_is_one_report(row: SendLog, take: Take) -> None:
    for _ in range(2):
        take(bounce(row, "failed", "5.1.1", "User unknown"))
        inbox.process(1)
    assert len(told()) == 1


def test_a_bounce_proves_a_mail_that_was_in_doubt(active_campaign: MakeCampaign, take: Take) -> None:
    [row] = in_doubt(active_campaign(1), 1)
    take(bounce(row, "failed", "5.1.1", "User unknown"))
    inbox.process(1)
    row.refresh_from_db()
    assert (row.status, row.outcome) == ("sent", "bounced")


def test_who_has_not_had_the_mail_cannot_report_it(active_campaign: MakeCampaign, take: Take) -> None:
    """A Message-ID can be guessed from one's own; the signed link cannot."""
    mine, victim = sent(active_campaign(2), 2)
    forged = Reference(victim.workspace_id, victim.customer_id, victim.pk)
    token = tokens.make(Reference(mine.workspace_id, mine.customer_id, mine.pk))
    other = tokens.make(forged)
    wrong = [other[:-6] + token[-6:], "A" * 48, token[:20] + other[20:]]
    for one in wrong:
        raw = bounce(victim, "failed", "5.1.1", "no", bytes(original(victim, one)))
        assert take(raw).startswith("no report")
    without = original(victim)
    del without["List-Unsubscribe"]
    assert take(bounce(victim, "failed", "5.1.1", "no", bytes(without))).startswith("no report")
    assert not Inbound.objects.exists()
    take(bounce(victim, "failed", "5.1.1", "no", bytes(original(mine))))
    inbox.process(1)
    assert Event.objects.get().sendlog_id == mine.pk


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: Out of office\r\n\r\nI am away.",
        b"\0\xff\xfe",
        multipart("delivery-status"),
        multipart("delivery-status", ("message/delivery-status", b"Action: failed\r\n")),
        multipart("delivery-status", ("message/rfc822", b"List-Unsubscribe: <https://x/u/short>\r\n\r\n")),
    ],
)
def test_other_mail_is_passed_over_without_an_error(raw: bytes, take: Take) -> None:
    assert take(raw).startswith("no report")
    assert not Inbound.objects.exists()


def test_a_test_mail_is_nobodys(row: SendLog, take: Take) -> None:
    token = tokens.make(Reference(row.workspace_id, 0, 0))
    assert take(bounce(row, "failed", "5.1.1", "no", bytes(original(row, token)))).startswith("no report")


def test_while_the_database_is_away_the_mail_server_keeps_the_mail() -> None:
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/none"}
    row = SendLog(pk=1, workspace_id=1, customer_id=1, campaign_id=1, email="ada@example.com")
    command = [sys.executable, "manage.py", "take_report"]
    raw = bounce(row, "failed", "5.1.1", "no")
    done = subprocess.run(command, cwd=ROOT, env=environment, input=raw, capture_output=True, timeout=60)
    assert done.returncode == os.EX_TEMPFAIL, done.stderr
