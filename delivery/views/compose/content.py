"""Step 2: what is sent, from whom, and whether it is tracked."""

from __future__ import annotations

from typing import Any

from django.db.models import Max, QuerySet
from django.http import HttpRequest

from campaigns import drafts
from campaigns.models import Campaign, Flow, Sender, Template
from delivery.views.compose.steps import Step, view_of
from delivery.views.forms import ContentForm

# More are a search away; the chosen one is always among them.
SHOWN = 24


def _form(campaign: Campaign, data: Any) -> ContentForm:
    if data is not None:
        return ContentForm(campaign, data)
    stored = {
        "what": ContentForm.FLOW if campaign.flow_id else ContentForm.MAIL,
        "template": campaign.template_id,
        "flow": campaign.flow_id,
        "senders": list(campaign.sender_shares.values_list("sender_id", flat=True)),
        **{name: getattr(campaign, name) for name in (*ContentForm.TRACKING, *ContentForm.GOAL)},
    }
    return ContentForm(campaign, stored)


def _store(campaign: Campaign, form: ContentForm) -> None:
    senders, columns = form.chosen()
    drafts.choose_content(campaign, senders, **columns)


def _context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    templates = Template.objects.of(campaign.workspace).order_by("-updated_at")
    newest = list(templates[: SHOWN + 1])
    shown = newest[:SHOWN]
    if campaign.template is not None and campaign.template not in shown:
        shown.insert(0, campaign.template)
    return {
        "templates": shown,
        "others": templates.exclude(pk__in=[t.pk for t in shown]) if len(newest) > SHOWN else [],
        "flows": _flows(campaign),
        "is_automation": campaign.kind == Campaign.Kind.AUTOMATION,
        "senders": Sender.objects.of(campaign.workspace),
        "chosen_senders": set(campaign.sender_shares.values_list("sender_id", flat=True)),
        "is_tracked_at_all": campaign.workspace.tracked,
    }


def _flows(campaign: Campaign) -> QuerySet[Flow]:
    """The flows with the number of their latest version; one that was never published has none."""
    return Flow.objects.of(campaign.workspace).annotate(version=Max("versions__number")).order_by("name")


content = view_of(Step("content", _form, _store, _context))
