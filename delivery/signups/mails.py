"""The mail that asks to confirm an address: staff's words and one link, and nothing that a stranger typed.

Whoever fills in a form chooses whom it goes to. A name in it would let them write to anybody.
"""

from __future__ import annotations

from django.template.loader import render_to_string

from campaigns.content.quoted_printable import whole
from campaigns.models import Sender
from delivery.headers import date, mailbox, unstructured
from delivery.message import BOUNDARY, END, HTML_HEAD, TEXT_HEAD
from delivery.models import Signup, SignupForm
from delivery.signups.links import confirm_url
from delivery.transports.base import Mail


def build(signup: Signup) -> Mail:
    """The mail, in the parts that every transport understands. It belongs to no ledger row (0)."""
    form, sender = signup.form, signup.form.sender
    context = {"form": form, "workspace": signup.workspace, "link": confirm_url(signup)}
    text = render_to_string("signups/mail.txt", context)
    html = render_to_string("signups/mail.html", context)
    own = b"".join((_head(signup, form, sender), TEXT_HEAD, whole(text), HTML_HEAD, whole(html), END))
    return Mail(0, sender.from_email, signup.email, own)


def _head(signup: Signup, form: SignupForm, sender: Sender) -> bytes:
    domain = sender.from_email.rpartition("@")[2]
    fields = [
        f"To: {mailbox('', signup.email)}",
        f"Subject: {unstructured(form.subject)}",
        f"Date: {date()}",
        # The same for every attempt, so that a mailbox that gets two shows one.
        f"Message-ID: <{form.public_id}.{signup.pk}@{domain}>",
        # RFC 3834: no answering machine is to answer it.
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f"From: {mailbox(sender.from_name, sender.from_email)}",
        *([f"Reply-To: {mailbox('', sender.reply_to)}"] if sender.reply_to else []),
        f'Content-Type: multipart/alternative; boundary="{BOUNDARY}"',
        "",
    ]
    return "\r\n".join(fields).encode("ascii")
