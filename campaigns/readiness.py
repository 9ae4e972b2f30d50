"""What keeps a draft from being activated. Every door asks here before it offers to send."""

from __future__ import annotations

import re
from datetime import datetime

from audience import segments
from audience.audiences import Audience
from audience.models import Attribute
from audience.models.events import EVENT_NAME
from campaigns import attachments, domains
from campaigns.content import ContentError, compile_template
from campaigns.esps import ESPS
from campaigns.flows import conditions, publishing
from campaigns.models import Automation, Campaign, Flow, Sender
from campaigns.schedule import first_due


def problems(campaign: Campaign, now: datetime) -> list[str]:
    """What must be mended first, as sentences that say what to do; empty when it can be activated."""
    found = [*_audience_problems(campaign), *_content_problems(campaign), *_sender_problems(campaign)]
    found += _size_problems(campaign)
    start = first_due(campaign)
    if campaign.start_time and campaign.start_date is None:
        found.append("The start time has no date. Choose a start date, or clear the time to send at once.")
    elif start is not None and start < now:
        found.append("The start lies in the past. Choose a later one, or clear the date to send at once.")
    return found


def warnings(campaign: Campaign) -> list[str]:
    """What may keep the campaign's mails out of inboxes, as sentences; none keeps it from being sent.

    Asks nobody outside: the DNS was asked when somebody checked the sender's domain.
    """
    return [warning for sender in campaign.senders.all() for warning in domains.warnings(sender)]


def _audience_problems(campaign: Campaign) -> list[str]:
    if campaign.kind == Campaign.Kind.AUTOMATION and campaign.automation.start != Automation.Start.SEGMENT:
        return _start_problems(campaign)
    if campaign.audience != Audience.SEGMENT:
        return []
    if campaign.segment is None:
        return ["No segment is chosen. Choose one, or another audience."]
    try:
        segments.validate(campaign.segment.workspace, campaign.segment.criteria)
    except segments.InvalidCriteria as error:
        return [f"The segment “{campaign.segment}” cannot be used: {error} Mend it, or choose another."]
    return _foreign(campaign, "segment", campaign.segment.workspace_id)


def _content_problems(campaign: Campaign) -> list[str]:
    if campaign.flow is not None:
        return _flow_problems(campaign, campaign.flow)
    if campaign.kind == Campaign.Kind.AUTOMATION:
        return ["No flow is chosen. Choose the one that people go through."]
    template = campaign.template
    if template is None:
        return ["No template is chosen. Choose what to send."]
    try:
        compile_template(template.format, template.subject, template.preheader, template.body)
    except ContentError as error:
        return [f"The template “{template}” has an error: {error}"]
    return _foreign(campaign, "template", template.workspace_id)


def _flow_problems(campaign: Campaign, flow: Flow) -> list[str]:
    if found := _foreign(campaign, "flow", flow.workspace_id):
        return found
    version = publishing.latest(flow)
    if version is None:
        return [f"The flow “{flow}” has not been published. Publish it first."]
    try:
        publishing.program(version)
        for _, criteria in publishing.program(version).criteria():
            conditions.read(campaign.workspace, criteria)
    except ValueError as error:
        return [f"The flow “{flow}” cannot be run any more: {error} Mend it and publish it again."]
    named = {
        mail.sender_id: mail.sender for mail in version.mails.exclude(sender=None).select_related("sender")
    }
    own = set(campaign.senders.values_list("pk", flat=True))
    return [
        f"The flow sends from {sender}, which is no sender of this campaign. Add it."
        for pk, sender in named.items()
        if pk not in own
    ]


def _start_problems(campaign: Campaign) -> list[str]:
    automation = campaign.automation
    if automation.start == Automation.Start.EVENT:
        if not re.fullmatch(EVENT_NAME, automation.event):
            return ["No event is named. Say which one starts people, such as order_placed."]
        return []
    dates = Attribute.objects.of(campaign.workspace).filter(type=Attribute.Type.DATE)
    if not dates.filter(name=automation.attribute).exists():
        return ["No date is chosen. Choose an attribute that is a date."]
    return []


def _sender_problems(campaign: Campaign) -> list[str]:
    senders = list(campaign.senders.all())
    if not senders:
        return ["No sender is chosen. Add at least one."]
    if not any(sender.is_usable for sender in senders):
        reasons = "; ".join(
            f"{sender}: {sender.last_error or sender.get_state_display()}" for sender in senders
        )
        return [f"None of the senders can be used ({reasons}). Mend one or add another."]
    return [problem for sender in senders for problem in _foreign(campaign, "sender", sender.workspace_id)]


def _size_problems(campaign: Campaign) -> list[str]:
    """What the template's attachments and images ask of senders that do not take them."""
    if campaign.template is None:
        return []
    usable = [sender for sender in campaign.senders.all() if sender.is_usable]
    problems = attachments.too_large_for(campaign.template, usable)
    if campaign.template.qr_inline:
        problems += [
            f"{ESPS[sender.esp].label} takes no images inside mails. Turn off “QR codes inside the mail” on "
            f"the template “{campaign.template}”, or use another sender than “{sender}”."
            for sender in usable
            if sender.transport == Sender.Transport.ESP and not ESPS[sender.esp].inline_images
        ]
    return problems


def _foreign(campaign: Campaign, what: str, workspace_id: int) -> list[str]:
    if workspace_id == campaign.workspace_id:
        return []
    return [f"The {what} belongs to another workspace. Choose one of {campaign.workspace}."]
