"""What the review looks into: the mail as somebody gets it, empty merge fields, waves, expected end."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audience.models import Customer
from campaigns import content
from campaigns.content.inspection import Finding, inspect
from campaigns.content.problems import SourceError
from campaigns.gaps import gaps
from campaigns.models import Campaign
from delivery import pace, test_send
from delivery.views.frame import find_campaign, staff_page
from delivery.waves import mailed_to, waves

# Stands for the link that each mail gets of its own, which is none of the author's.
UNSUBSCRIBE = "https://unsubscribe.example.com/"
# Of many waves, what there is room for.
SHOWN_WAVES = 40


@staff_page
@never_cache
@require_safe
def mail(request: HttpRequest, pk: int) -> HttpResponse:
    """What is doubtful in the mail, and for whom it would have holes."""
    campaign = find_campaign(request, pk)
    return render(request, "delivery/compose/checks_mail.html", _mail(campaign))


@staff_page
@never_cache
@require_safe
def times(request: HttpRequest, pk: int) -> HttpResponse:
    """When the mails leave: the waves of customers' own clocks, and when the last one is expected to."""
    campaign = find_campaign(request, pk)
    if campaign.kind == Campaign.Kind.AUTOMATION:
        return render(request, "delivery/compose/checks_times.html", {"campaign": campaign})
    try:
        found = waves(campaign)
        # Near enough for an estimate, and much quicker than the funnel: few are suppressed and opted in.
        mails = sum(wave.people for wave in found) or mailed_to(campaign).count()
    except ValueError:
        return render(request, "delivery/compose/checks_times.html", {"campaign": campaign})
    end, because = pace.expected_of_draft(campaign, mails, timezone.now())
    if end is not None and found:
        end = max(end, found[-1].at)
    context = {
        "campaign": campaign,
        "waves": found[:SHOWN_WAVES],
        "more_waves": max(len(found) - SHOWN_WAVES, 0),
        "end": end,
        "because": because,
        "mails": mails,
    }
    return render(request, "delivery/compose/checks_times.html", context)


def _mail(campaign: Campaign) -> dict[str, Any]:
    """Nothing where there is no template, or a broken one: that is a problem, not a doubt."""
    template = campaign.template
    if template is None or campaign.flow_id:
        return {"campaign": campaign}
    try:
        compiled = content.compile_template(
            template.format, template.subject, template.preheader, template.body
        )
        customers = campaign.matching()
        shown_as = test_send.somebody(campaign.workspace, campaign.audience, campaign.segment)
        found = _inspected(campaign, compiled, shown_as, template.body)
        return {
            "campaign": campaign,
            "findings": found,
            "rendered_as": shown_as.email if shown_as else "",
            "gaps": gaps(customers, compiled),
        }
    except (SourceError, content.ContentError, ValueError):
        return {"campaign": campaign}


def _inspected(
    campaign: Campaign, compiled: content.Compiled, customer: Customer | None, body: str
) -> list[Finding]:
    """The findings in the mail of one customer; of nobody's, if the audience is empty."""
    row = test_send.columns(customer or Customer(email="nobody@example.com", name="", attributes={}))
    data = content.context(row, campaign.workspace, campaign.name, UNSUBSCRIBE)
    try:
        return inspect(content.Renderer(compiled).render(data), body)
    except content.RenderError as error:
        who = customer.email if customer else gettext("an empty customer")
        return [Finding(gettext("The mail cannot be made for {who}: {error}").format(who=who, error=error))]
