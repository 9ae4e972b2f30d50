"""Test mode: one mail of a draft to one address, at once and outside the ledger.

It goes through the same building and the same transport as a campaign's mails. It belongs to no
campaign (id 0) and to nobody (row and customer 0): a click on its unsubscribe link opts nobody out,
and the figures of the campaign never count it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Max, Min

from audience import addresses, audiences, audit
from audience.audiences import Audience
from audience.models import Customer, Segment, Suppression, Workspace
from campaigns.content import CUSTOMER_COLUMNS, ContentError, RenderError, compile_template
from campaigns.models import Campaign, Content, Sender, Template
from delivery import enclosures, senders
from delivery.message import Builder, Recipient, message_id
from delivery.transports import SenderUnusable, transport_for
from delivery.transports.base import Answer, Mail, Verdict

SUBJECT_PREFIX = "[Test] "
# The stand-in for a campaign has the sender's name.
FROM_SENDER_SUBJECT = SUBJECT_PREFIX + "Mail from “{{ campaign.name }}”"
FROM_SENDER_BODY = (
    "This test was sent from “{{ campaign.name }}” in {{ workspace.name }}, as campaigns will be.\n\n"
    "Look whether it came into the inbox, under the right name, and answer it to see where answers go."
)


@dataclass(frozen=True)
class Outcome:
    """What became of a test: `error` is empty when the mail server took it."""

    error: str
    address: str = ""
    # Whose fields it shows; empty when it shows none.
    rendered_as: str = ""
    sender: Sender | None = None


def send(campaign: Campaign, address: str, customer: Customer | None) -> Outcome:
    """Send a test of the campaign's template to a normalised address, rendered as a customer.

    Writes an entry of the audit log alone. Takes as long as the mail server does, so no transaction may be
    open. Whatever goes wrong is said in the outcome, never raised.
    """
    problem = _refusal(campaign, address, customer)
    if problem or campaign.template is None or customer is None:
        return Outcome(problem)
    sender = _sender(campaign)
    if sender is None:
        return Outcome("No sender of this campaign can be used. Add one, or mend the one it has.")
    try:
        mail = build(campaign, campaign.template, sender, address, customer)
    except (ContentError, RenderError) as error:
        return Outcome(f"The template cannot be rendered as {customer.email}: {error}")
    return Outcome(_tried(campaign, sender, mail, address), address, customer.email, sender)


def send_template(template: Template, sender: Sender, address: str, customer: Customer | None) -> Outcome:
    """Send a test of a template, which need not be saved as it stands, to a normalised address.

    Rendered as the customer, or as somebody of the audience for None. Otherwise as send().
    """
    customer = customer or somebody(template.workspace, Audience.ALL_SUBSCRIBED, None)
    if customer is None:
        return Outcome("There is no customer to render the test as. Add yourself as one.")
    if problem := _switched_off() or _address_refusal(template.workspace, address):
        return Outcome(problem)
    campaign = Campaign(workspace=template.workspace, name=template.name)
    try:
        mail = build(campaign, template, sender, address, customer)
    except (ContentError, RenderError) as error:
        return Outcome(f"The template cannot be rendered as {customer.email}: {error}")
    return Outcome(_tried(template, sender, mail, address), address, customer.email, sender)


def send_from(sender: Sender, address: str) -> Outcome:
    """Send a mail that says no more than that this sender works, to a normalised address.

    A mail that is taken makes the sender ready. Takes as long as its provider does, so no transaction may
    be open. Whatever goes wrong is said in the outcome, never raised.
    """
    if problem := _switched_off() or _address_refusal(sender.workspace, address):
        return Outcome(problem)
    compiled = compile_template("markdown", FROM_SENDER_SUBJECT, "", FROM_SENDER_BODY)
    content = Content(subject=compiled.subject, html=compiled.html, text=compiled.text)
    nobody: dict[str, Any] = {**dict.fromkeys(CUSTOMER_COLUMNS, ""), "attributes": {}}
    campaign = Campaign(id=0, workspace=sender.workspace, name=sender.name, content=content)
    problem = _tried(sender, sender, _built(campaign, sender, Recipient(0, 0, address, nobody)), address)
    if not problem:
        senders.proven(sender)
    return Outcome(problem, address, sender=sender)


def build(campaign: Campaign, template: Template, sender: Sender, address: str, customer: Customer) -> Mail:
    """The test mail. Raises ContentError and RenderError."""
    compiled = compile_template(template.format, template.subject, template.preheader, template.body)
    content = Content(
        subject=SUBJECT_PREFIX + compiled.subject,
        html=compiled.html,
        text=compiled.text,
        qr_inline=template.qr_inline,
    )
    stand_in = Campaign(id=0, workspace=campaign.workspace, name=campaign.name, content=content)
    tail = enclosures.tail_of_template(template)
    return _built(stand_in, sender, Recipient(0, 0, address, columns(customer)), tail)


def _built(campaign: Campaign, sender: Sender, to: Recipient, tail: bytes = b"") -> Mail:
    mail = Builder(campaign, sender, tail=tail).build(to)
    # A mailbox shows only the first of two mails with one Message-ID, and all tests would share it.
    domain = sender.from_email.rpartition("@")[2]
    shared, own = (message_id(number, 0, domain).encode() for number in (0, random.getrandbits(62)))  # noqa: S311
    return mail._replace(own=mail.own.replace(shared, own, 1))


def columns(customer: Customer) -> Mapping[str, Any]:
    """What a template may say about a customer, by name."""
    return {name: getattr(customer, name) for name in CUSTOMER_COLUMNS}


def somebody(workspace: Workspace, audience: str, segment: Segment | None) -> Customer | None:
    """A random customer of an audience, None when it has nobody or cannot be evaluated.

    From a random place onwards, which over millions is cheap, unlike an order by chance.
    """
    try:
        matching = audiences.customers(workspace, Audience(audience), segment).order_by("id")
    except ValueError:
        return None
    ends = Customer.objects.of(workspace).aggregate(first=Min("id"), last=Max("id"))
    if ends["first"] is None:
        return None
    start = random.randint(ends["first"], ends["last"])  # noqa: S311 - nothing depends on it
    return matching.filter(id__gte=start).first() or matching.first()


def _refusal(campaign: Campaign, address: str, customer: Customer | None) -> str:
    """Why no test can be sent, as a sentence that says what to do; empty when one can."""
    if problem := _switched_off():
        return problem
    if campaign.template is None:
        return "No template is chosen. Choose what to send first."
    if customer is None:
        return "Nobody is in this audience to render the test as. Choose a customer, or another audience."
    return _address_refusal(campaign.workspace, address)


def _switched_off() -> str:
    if settings.ENABLE_EMAIL_SCHEDULER:
        return ""
    return "Sending is switched off for this installation (ENABLE_EMAIL_SCHEDULER=false)."


def _address_refusal(workspace: Workspace, address: str) -> str:
    if not addresses.is_mailable(address):
        return f"{address} cannot be mailed by any sender. Use another address."
    suppression = Suppression.objects.of(workspace).filter(email=address).first()
    if suppression is not None:
        return f"{address} is suppressed ({suppression.get_reason_display()}). Use another address."
    return ""


def _sender(campaign: Campaign) -> Sender | None:
    share = campaign.sender_shares.filter(sender__state__in=Sender.USABLE).select_related("sender").first()
    return share.sender if share else None


def _tried(thing: Campaign | Template | Sender, sender: Sender, mail: Mail, address: str) -> str:
    """Hand a test over, and note it: why it was not taken, empty when it was."""
    problem = _said(_hand_over(sender, mail))
    # Without the address, which may be a customer's.
    about = {"sender": sender.name, "domain": address.rpartition("@")[2], "taken": not problem}
    audit.record("test sent", thing, workspace=sender.workspace_id, after=about)
    return problem


def _hand_over(sender: Sender, mail: Mail) -> Answer:
    try:
        transport = transport_for(sender)
    except SenderUnusable as error:
        return Answer(mail.row_id, Verdict.SENDER, error=str(error))
    try:
        [answer] = transport.deliver(iter([mail]), lambda row_id: None)
    finally:
        transport.close()
    return answer


def _said(answer: Answer) -> str:
    """The error in words, empty when the mail was taken."""
    if answer.verdict is Verdict.ACCEPTED:
        return ""
    return answer.error or "The mail server did not say why it refused the mail."
