"""The mails that ask to confirm, over real SMTP: what they say, tried three times, and never twice."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from audience.models import Suppression
from campaigns.models import Sender
from delivery.mailbox.store import MailboxStore
from delivery.models import Signup, SignupForm
from delivery.signups import mails as mail_parts
from delivery.signups import queue
from delivery.transports import esp_parts
from delivery.worker import Worker
from tests.delivery.signing_up import ADA, ask, link_of, mails, over_smtp
from tests.delivery.together import together
from tests.factories import SenderFactory, SignupFormFactory, SuppressionFactory
from tests.smtp_stub import SmtpStub

pytestmark = pytest.mark.django_db(transaction=True)
Mail = Signup.Mail


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    settings.SEND_RETRY_SECONDS = 0


def state() -> tuple[str, int]:
    signup = Signup.objects.get()
    return signup.mail, signup.attempts


def body_of(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return body.get_content().replace("\r\n", "\n") if body else ""


def send_all() -> int:
    """Send until nothing waits, without regard to how fine the database's clock is; how many attempts."""
    tried = 0
    while Signup.objects.filter(mail=Mail.WAITING).exists():
        tried += queue.send_due(5)
    return tried


def test_the_mail_has_the_forms_words_and_one_link(mailbox: MailboxStore, settings: Settings) -> None:
    settings.SITE_URL = "https://mail.acme.example"
    form = SignupFormFactory(subject="Bestätigen?", body="Hello <you>.\n\nGrüße")
    signup = ask(form)
    assert queue.send_due(5) == 1
    [mail] = mails(mailbox)
    assert (mail["Subject"], mail["To"]) == ("Bestätigen?", ADA)
    assert mail["From"] == "Acme <news@acme.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = (body_of(mail, kind) for kind in ("plain", "html"))
    assert "Hello <you>.\n\nGrüße" in text
    assert "Hello &lt;you&gt;." in html
    assert text.count("https://") == 1
    assert f"https://mail.acme.example{link_of(mail)}" in html
    assert state() == (Mail.SENT, 1)
    assert signup.error == ""


def test_nothing_that_a_stranger_typed_is_in_the_mail(mailbox: MailboxStore) -> None:
    """Else anybody could write to anybody in the brand's name."""
    ask(SignupFormFactory(), name="WIN BIG http://evil.example", attributes={"city": "evil.example"})
    queue.send_due(5)
    [mail] = mails(mailbox)
    assert "evil" not in mail.as_string() and "WIN" not in mail.as_string()


def test_no_header_can_be_added_by_what_stands_in_the_form() -> None:
    bad = "Hi\r\nBcc: all@example.com\r\n\r\nbody"
    sender = SenderFactory(from_name=bad)
    signup = ask(SignupFormFactory(subject=bad, sender=sender))
    parts = esp_parts.read(mail_parts.build(signup).own)
    assert "bcc" not in parts.headers
    assert esp_parts.decoded(parts.headers["subject"]).startswith("Hi Bcc:")


def test_the_worker_sends_it_without_any_campaign(mailbox: MailboxStore) -> None:
    ask(SignupFormFactory())
    with Worker() as worker:
        assert worker.run_once()
    assert len(mails(mailbox)) == 1


def test_while_sending_is_switched_off_it_waits(mailbox: MailboxStore, settings: Settings) -> None:
    settings.ENABLE_EMAIL_SCHEDULER = False
    ask(SignupFormFactory())
    with Worker() as worker:
        worker.run_once()
    assert (state(), mails(mailbox)) == ((Mail.WAITING, 0), [])


# --- Who is not mailed --------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["manual", "hard_bounce", "complaint"])
def test_somebody_who_must_not_be_mailed_gets_none(mailbox: MailboxStore, reason: str) -> None:
    SuppressionFactory(email=ADA, reason=reason)
    ask(SignupFormFactory())
    queue.send_due(5)
    assert mails(mailbox) == []
    signup = Signup.objects.get()
    assert signup.mail == Mail.REFUSED
    assert str(Suppression.Reason(reason).label) in signup.error


def test_somebody_who_unsubscribed_is_asked(mailbox: MailboxStore) -> None:
    SuppressionFactory(email=ADA, reason=Suppression.Reason.UNSUBSCRIBE)
    ask(SignupFormFactory())
    queue.send_due(5)
    assert len(mails(mailbox)) == 1


# --- What goes wrong ------------------------------------------------------------------------------------


def test_what_is_refused_for_the_moment_is_tried_again() -> None:
    with SmtpStub(RCPT=["450 Greylisted", None]) as stub:
        ask(SignupFormFactory(sender=over_smtp(stub)))
        assert send_all() == 2
        assert [each.recipient for each in stub.accepted] == [ADA]
    assert state() == (Mail.SENT, 2)


def test_after_three_attempts_it_is_given_up_with_the_reason() -> None:
    with SmtpStub(RCPT="450 Mailbox busy") as stub:
        ask(SignupFormFactory(sender=over_smtp(stub)))
        assert send_all() == 3
        assert queue.send_due(5) == 0
    assert state() == (Mail.FAILED, 3)
    assert "Mailbox busy" in Signup.objects.get().error


def test_each_attempt_waits_longer_than_the_one_before(settings: Settings) -> None:
    settings.SEND_RETRY_SECONDS = 60
    with SmtpStub(RCPT="450 Mailbox busy") as stub:
        ask(SignupFormFactory(sender=over_smtp(stub)))
        for minutes in (1, 4):
            assert queue.send_due(5) == 1
            later = Now() + timedelta(minutes=minutes)
            due = {"due_at__gt": later - timedelta(seconds=30), "due_at__lte": later}
            assert Signup.objects.filter(**due).exists()
            Signup.objects.update(due_at=Now())


def test_what_is_refused_for_good_is_not_tried_again() -> None:
    with SmtpStub(RCPT="550 No such user") as stub:
        ask(SignupFormFactory(sender=over_smtp(stub)))
        assert queue.send_due(5) == 1
    assert state() == (Mail.FAILED, 1)


def test_a_sender_that_cannot_be_used_says_so_on_the_form() -> None:
    ask(SignupFormFactory(sender=SenderFactory(name="Shop", state=Sender.State.STOPPED)))
    assert send_all() == 3
    assert "“Shop” cannot be used" in Signup.objects.get().error


def test_a_mail_whose_worker_died_is_never_sent_again() -> None:
    ask(SignupFormFactory())
    Signup.objects.update(mail=Mail.SENDING, attempts=1, due_at=Now() - timedelta(seconds=1))
    queue.mend()
    assert queue.send_due(5) == 0
    assert state() == (Mail.FAILED, 1)
    assert Signup.objects.get().error == queue.DIED


def test_a_mail_that_is_in_hand_is_left_alone() -> None:
    ask(SignupFormFactory())
    Signup.objects.update(mail=Mail.SENDING, due_at=Now() + timedelta(seconds=60))
    queue.mend()
    assert (queue.send_due(5), state()) == (0, (Mail.SENDING, 0))


def test_what_is_older_than_its_link_is_deleted() -> None:
    ask(SignupFormFactory())
    queue.mend()
    assert Signup.objects.exists()
    Signup.objects.update(asked_at=F("asked_at") - Signup.LIFE)
    queue.mend()
    assert not Signup.objects.exists()


# --- Many workers ---------------------------------------------------------------------------------------


def test_many_workers_never_send_one_mail_twice() -> None:
    with SmtpStub() as stub:
        form: Any = SignupFormFactory(sender=over_smtp(stub))
        people = [f"person{n}@example.com" for n in range(40)]
        for email in people:
            ask(form, email)
        together(lambda: queue.send_due(20), number=4)
        assert sorted(each.recipient for each in stub.accepted) == sorted(people)
    assert set(Signup.objects.values_list("mail", "attempts")) == {(Mail.SENT, 1)}
    assert SignupForm.objects.get().asked == 40


def test_one_mail_is_claimed_by_one_worker() -> None:
    """Red when claiming neither skips what others take nor looks again whether it still waits."""
    form: Any = SignupFormFactory()
    for n in range(30):
        ask(form, f"person{n}@example.com")
    claimed: list[int] = []
    together(lambda: claimed.extend([found.pk for found in [queue._claim()] if found]), rounds=10)
    assert len(claimed) == 30
    assert len(set(claimed)) == 30
