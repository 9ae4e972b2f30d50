"""People who sign up: by a form, from the mail in their mailbox, to the last button."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from django.test import Client
from django.urls import reverse

from campaigns.models import Sender
from delivery.mailbox.store import MailboxStore
from delivery.models import Signup, SignupForm
from delivery.signups import asking, fields, queue
from delivery.signups.asking import Typed
from delivery.signups.links import token_of
from tests.delivery.staff import source
from tests.factories import SenderFactory
from tests.smtp_stub import SmtpStub

ADA = "ada@example.com"


def answer(form: SignupForm, email: str = ADA, **typed: str) -> dict[str, str]:
    """What a browser posts when somebody fills in the form of another site."""
    return {"email": email, "agree": "yes", "wording": fields.mark(form.consent), **typed}


def post(form: SignupForm, email: str = ADA, client: Client | None = None, **typed: str) -> Any:
    url = reverse("delivery:signup", args=[form.public_id])
    return (client or Client()).post(url, answer(form, email, **typed))


def ask(form: SignupForm, email: str = ADA, **typed: Any) -> Signup:
    asking.ask(form, Typed(email, form.consent, **typed), "203.0.113.7")
    signup: Signup = Signup.objects.latest("pk")
    return signup


def mails(mailbox: MailboxStore) -> list[EmailMessage]:
    """Those that came, newest first."""
    raw = [source(mailbox, each.id) or b"" for each in mailbox.search().messages]
    return [cast(EmailMessage, message_from_bytes(each, policy=policy.default)) for each in raw]


def link_of(mail: EmailMessage) -> str:
    """The address in a mail's text that confirms, as a path."""
    body = mail.get_body(("plain",))
    found = re.search(r"https?://[^/\s]+(/confirm/\S+)", body.get_content() if body else "")
    assert found, mail.as_string()
    return found[1]


def asked_by_mail(form: SignupForm, mailbox: MailboxStore, email: str = ADA, **typed: str) -> str:
    """Sign up as a person does; the link in the mail that came."""
    assert post(form, email, **typed).status_code == 200
    assert queue.send_due(5) == 1
    return link_of(mails(mailbox)[0])


def confirm_path(signup: Signup) -> str:
    return reverse("delivery:signup_confirm", args=[token_of(signup)])


def over_smtp(stub: SmtpStub, **columns: Any) -> Sender:
    sender: Sender = SenderFactory(
        transport=Sender.Transport.SMTP, host="127.0.0.1", port=stub.port, security="none", **columns
    )
    return sender
