"""Flows in the admin: written, published, followed, and people moved by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audience.models import ContactPolicy, Membership
from campaigns import lifecycle
from campaigns.flows import advance, publishing, starts
from campaigns.models import Automation, Campaign, Enrollment, Flow
from tests.factories import CampaignFactory, MembershipFactory, TemplateFactory
from tests.flows import cast, edit, leave, make_flow, on_flow, send, wait

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.OWNER).user)
    return client


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def url(name: str, *args: object) -> str:
    return reverse(f"admin:campaigns_{name}", args=args)


@pytest.fixture
def running(staff: Client) -> Campaign:
    """Ada waits for nine days."""
    cast(ada="")
    campaign = on_flow(make_flow(wait(1, days=9), send(2), leave(3)))
    lifecycle.activate(campaign)
    now = timezone.now()
    while starts.enter(campaign, now) or advance.advance(campaign, now):
        pass
    assert Enrollment.objects.get().state == "waiting"
    return campaign


def test_flow_is_saved_as_it_is_and_says_what_is_wrong(staff: Client) -> None:
    steps = json.dumps([send(1, template=None)])
    flow = make_flow(published=False)
    response = staff.post(url("flow_change", flow.pk), {"name": "Welcome", "steps": steps}, follow=True)
    flow.refresh_from_db()
    assert response.status_code == 200 and flow.steps == json.loads(steps)
    page = text(staff.get(url("flow_change", flow.pk)))
    assert "Step 1: No template is chosen. Choose what to send." in page
    assert "never been published" in page
    assert "No template is chosen" in text(staff.post(url("flow_publish", flow.pk), follow=True))
    assert not flow.versions.exists()


def test_what_is_no_json_is_refused_with_its_line(staff: Client) -> None:
    flow = make_flow(published=False)
    page = text(staff.post(url("flow_change", flow.pk), {"name": "Welcome", "steps": "[{]"}))
    assert "Line 1, column 3" in page
    assert Flow.objects.get().name == flow.name


def test_flow_is_published_by_who_may_send(staff: Client) -> None:
    flow = make_flow(send(1), leave(2), published=False)
    assert "Version 1 is made" in text(staff.get(url("flow_publish", flow.pk)))
    page = text(staff.post(url("flow_publish", flow.pk), follow=True))
    assert "is published as version 1" in page
    assert publishing.latest(flow).number == 1  # type: ignore[union-attr]
    editor = Client()
    editor.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    assert editor.post(url("flow_publish", flow.pk)).status_code == 403


def test_publishing_again_asks_where_people_go(staff: Client, running: Campaign) -> None:
    flow = running.flow
    assert flow is not None
    edit(flow, wait(1, days=1), send(5), leave(3))
    page = text(staff.get(url("flow_publish", flow.pk)))
    assert "1 at “Wait (step 1)”" in page and "Go on here in the new version" in page
    staff.post(url("flow_publish", flow.pk), {"step-1": "5"})
    place = Enrollment.objects.get()
    assert (place.step, place.state, place.version.number) == (5, "arriving", 2)


def test_campaign_is_made_on_a_flow_and_not_on_a_template_beside_it(staff: Client) -> None:
    flow, draft = make_flow(send(1), leave(2)), CampaignFactory()
    share = draft.sender_shares.get()
    data = {
        "name": "On a flow",
        "audience": "all_subscribed",
        "template": TemplateFactory().pk,
        "flow": flow.pk,
        "clock": "workspace",
        "sender_shares-TOTAL_FORMS": 1,
        "sender_shares-INITIAL_FORMS": 0,
        "sender_shares-0-sender": share.sender_id,
        "sender_shares-0-weight": 1,
    }
    assert "Choose a template or a flow, not both" in text(staff.post(url("campaign_add"), data))
    staff.post(url("campaign_add"), data | {"template": ""})
    made = Campaign.objects.get(name="On a flow")
    assert (made.flow, made.template) == (flow, None)
    assert staff.get(reverse("delivery:send", args=[made.pk])).status_code == 200


def test_draft_becomes_an_automation_and_back(staff: Client) -> None:
    campaign = on_flow(make_flow(send(1), leave(2)))
    data = {
        "campaign": campaign.pk,
        "start": "event",
        "event": "order_placed",
        "offset_days": 0,
        "at": "09:00",
        "again": "after",
        "again_days": 7,
    }
    staff.post(url("automation_add"), data)
    automation = Automation.objects.get()
    assert (automation.event, automation.again_days, automation.campaign.kind) == (
        "order_placed",
        7,
        "automation",
    )
    staff.post(url("automation_change", automation.pk), data | {"again_days": 9})
    assert Automation.objects.get().again_days == 9
    staff.post(url("automation_delete", automation.pk), {"post": "yes"})
    campaign.refresh_from_db()
    assert (campaign.kind, Automation.objects.count()) == ("campaign", 0)


def test_running_automation_is_not_changed(staff: Client) -> None:
    campaign = on_flow(make_flow(send(1), leave(2)), kind="automation")
    Automation.objects.create(campaign=campaign, start="event", event="order_placed")
    lifecycle.activate(campaign)
    staff.post(url("automation_change", campaign.pk), {"start": "event", "event": "other"})
    assert Automation.objects.get().event == "order_placed"
    assert staff.get(url("automation_change", campaign.pk)).status_code == 200


def test_page_says_how_many_are_where_and_finds_one_of_them(staff: Client, running: Campaign) -> None:
    page = text(staff.get(url("campaign_people", running.pk)))
    assert "1 on the way" in page and "Wait (step 1)" in page
    assert "has not begun this flow" in text(
        staff.get(url("campaign_people", running.pk), {"email": "nobody@example.com"})
    )
    page = text(staff.get(url("campaign_people", running.pk), {"email": "Ada@example.com"}, follow=True))
    assert "Waits at “Wait (step 1)” until" in page
    assert "Began the flow" in page


@pytest.mark.parametrize(
    ("data", "says", "state"),
    [
        ({"act": "skip"}, "The wait was cut short", "waiting"),
        ({"act": "move", "step": 2, "why": "asked"}, "Was moved", "arriving"),
        ({"act": "remove", "why": "called us"}, "called us", "left"),
        ({"act": "else"}, "Choose what to do", "waiting"),
    ],
)
def test_person_is_moved_by_hand(
    staff: Client, running: Campaign, data: dict[str, Any], says: str, state: str
) -> None:
    place = Enrollment.objects.get()
    person = url("campaign_person", running.pk, place.customer_id)
    assert says in text(staff.post(person, data | {"enrollment": place.pk}, follow=True))
    place.refresh_from_db()
    assert place.state == state


def test_editor_may_look_and_not_move(running: Campaign) -> None:
    editor = Client()
    editor.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    place = Enrollment.objects.get()
    person = url("campaign_person", running.pk, place.customer_id)
    assert editor.get(person).status_code == 200
    assert editor.post(person, {"act": "remove", "enrollment": place.pk}).status_code == 403


def test_resuming_asks_what_becomes_of_what_is_overdue(staff: Client, running: Campaign) -> None:
    lifecycle.pause(running)
    resume = reverse("delivery:steer", args=[running.pk, "resume"])
    page = text(staff.get(resume))
    assert "Nothing is overdue" in page and "Shift everything" in page
    before = Enrollment.objects.get().due_at
    staff.post(resume, {"overdue": "shift"})
    running.refresh_from_db()
    assert running.status == "active"
    assert Enrollment.objects.get().due_at > before


def test_owner_sets_the_contact_policy(staff: Client) -> None:
    workspace = Membership.objects.get().workspace
    page = reverse("admin:audience_workspace_change", args=[workspace.pk])
    data = {
        "name": workspace.name,
        "slug": workspace.slug,
        "time_zone": "UTC",
        "contact_policy-TOTAL_FORMS": 1,
        "contact_policy-INITIAL_FORMS": 0,
        "contact_policy-0-cap_mails": 3,
        "contact_policy-0-cap_days": 7,
        "contact_policy-0-cap_action": "skip",
        "contact_policy-0-quiet_from": "21:00",
        "contact_policy-0-quiet_action": "move",
    }
    assert "Quiet hours need a beginning and an end" in text(staff.post(page, data))
    staff.post(page, data | {"contact_policy-0-quiet_until": "08:00"})
    assert ContactPolicy.objects.get(workspace=workspace).cap_mails == 3


def test_automation_is_switched_on_from_its_page(staff: Client) -> None:
    campaign = on_flow(make_flow(send(1), leave(2)), kind="automation", segment=None)
    Automation.objects.create(campaign=campaign, start="event", event="order_placed")
    page = text(staff.get(reverse("delivery:reach", args=[campaign.pk]), {"review": 1, "confirm": 1}))
    assert "When an event comes in about them</b>: order_placed." in page and "Yes, switch it on" in page
    staff.post(reverse("delivery:send", args=[campaign.pk]), {"as_of": campaign.updated_at.isoformat()})
    campaign.refresh_from_db()
    assert campaign.status == "active"
    page = text(staff.get(reverse("site:campaign", args=[campaign.pk])))
    assert "People in the flow" in page
