"""How a campaign's mail looks in an inbox before it is opened: its subject and the line after it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from audience.audiences import Audience
from audience.models import Customer
from campaigns import content
from campaigns.content.problems import SourceError
from campaigns.models import Campaign
from delivery import test_send


@dataclass(frozen=True)
class Inbox:
    """Two lines of an inbox; `rendered_as` is empty when they show the merge fields themselves."""

    subject: str
    preheader: str
    rendered_as: str = ""


def lines(campaign: Campaign) -> Inbox | None:
    """The lines as somebody of the audience would see them, or of all subscribed; None without a template.

    Where nobody can be found or the template is broken, the lines as they were written.
    """
    written = _written(campaign)
    if written is None:
        return None
    customer = _somebody(campaign)
    if customer is not None:
        with suppress(SourceError, content.RenderError):
            return _rendered(campaign, written, customer)
    return written


def _somebody(campaign: Campaign) -> Customer | None:
    found = test_send.somebody(campaign.workspace, campaign.audience, campaign.segment)
    return found or test_send.somebody(campaign.workspace, Audience.ALL_SUBSCRIBED, None)


def _written(campaign: Campaign) -> Inbox | None:
    """What an activated campaign has frozen, else what its template says now."""
    if campaign.content is not None:
        # Its preheader stands in the body.
        return Inbox(campaign.content.subject, "")
    template = campaign.template
    return Inbox(template.subject, template.preheader) if template else None


def _rendered(campaign: Campaign, written: Inbox, customer: Customer) -> Inbox:
    # The preheader stands for a plain body: one line, and no footer since it is no mail.
    sources = content.Compiled(written.subject, "", written.preheader)
    data = content.context(test_send.columns(customer), campaign.workspace, campaign.name, "")
    rendered = content.Renderer(sources).render(data)
    return Inbox(rendered.subject, rendered.text, customer.email)
