"""The steps of a draft: begun by one click, saved at once, read again from what is stored."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from audience.models import Membership
from campaigns import drafts, lifecycle
from campaigns.models import Automation, Campaign, Sender
from tests.delivery.staff import customer_of_the_site, member, stranger, superuser
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    SegmentFactory,
    SenderFactory,
    TemplateFactory,
    WorkspaceFactory,
)
from tests.flows import leave, make_flow, on_flow, send

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
STEPS = ("audience", "content", "schedule")


def url(step: str, campaign: Campaign) -> str:
    return reverse(f"delivery:compose_{step}", args=[campaign.pk])


def save(step: str, campaign: Campaign, client: Client | None = None, **fields: Any) -> HttpResponse:
    """What htmx sends while somebody is entering."""
    client = client or member(campaign.workspace)
    response: HttpResponse = client.post(url(step, campaign), fields, headers=HTMX)
    campaign.refresh_from_db()
    return response


# --- The beginning -----------------------------------------------------------------------------------


def test_one_click_makes_a_draft_of_what_there_is() -> None:
    TemplateFactory(name="Old")
    template, sender = TemplateFactory(name="Newest"), SenderFactory()
    SenderFactory(state=Sender.State.STOPPED)
    client = member()
    response = client.post(reverse("delivery:compose_new"))
    campaign = Campaign.objects.get()
    assert response.headers["Location"] == url("audience", campaign)
    assert (campaign.status, campaign.audience, campaign.template) == ("draft", "all_subscribed", template)
    assert list(campaign.senders.all()) == [sender]
    assert campaign.created_by == Membership.objects.get().user


def test_the_next_goes_on_where_the_last_one_stood() -> None:
    last = CampaignFactory(audience="both", segment=None, tracked=False, start_date=date(2999, 1, 1))
    member(last.workspace).post(reverse("delivery:compose_new"))
    made = Campaign.objects.exclude(pk=last.pk).get()
    assert (made.audience, made.tracked, made.start_date) == ("both", False, None)
    assert list(made.senders.all()) == list(last.senders.all())
    assert made.name.startswith("Campaign of ")


def test_a_page_that_is_only_opened_makes_nothing() -> None:
    assert "Begin" in member().get(reverse("delivery:compose_new")).text
    assert not Campaign.objects.exists()


def test_who_sees_several_workspaces_is_asked_for_which() -> None:
    first, second = WorkspaceFactory(), WorkspaceFactory(slug="second")
    client, new = superuser(), reverse("delivery:compose_new")
    assert "For which workspace?" in client.post(new).text
    client.post(new, {"workspace": second.pk})
    assert Campaign.objects.get().workspace == second
    analyst = member(first, Membership.Role.ANALYST)
    assert [analyst.get(new).status_code, analyst.post(new).status_code] == [403, 403]
    assert "A new campaign" in member(first).post(new, {"workspace": second.pk}).text


# --- The steps ---------------------------------------------------------------------------------------


def test_the_audience_is_saved_at_once() -> None:
    campaign, segment = CampaignFactory(segment=None, audience="both"), SegmentFactory()
    said = save("audience", campaign, name="Spring", audience="segment", segment=segment.pk)
    assert said.headers["HX-Trigger"] == "saved" and "saved" in said.content.decode()
    assert (campaign.name, campaign.audience, campaign.segment) == ("Spring", "segment", segment)
    save("audience", campaign, name="Spring", audience="all_subscribed", segment=segment.pk)
    assert (campaign.audience, campaign.segment) == ("all_subscribed", None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "Give the campaign a name."),
        ({"audience": "nonsense"}, "Not saved"),
        ({"segment": "999999"}, "Not saved"),
        ({"segment": "x"}, "Not saved"),
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(fields: dict[str, str], words: str) -> None:
    campaign = CampaignFactory(name="Before")
    said = save("audience", campaign, **{"name": "After", "audience": "segment", "segment": "", **fields})
    assert words in said.content.decode() and "HX-Trigger" not in said.headers
    assert (campaign.name, campaign.segment is not None) == ("Before", True)
    page = member(campaign.workspace).post(url("audience", campaign), {"name": "", "audience": "both"}).text
    assert "Mend what is marked" in page and 'aria-invalid="true"' in page


def test_a_segment_of_another_workspace_is_neither_shown_nor_saved() -> None:
    foreign = SegmentFactory(workspace__slug="elsewhere", name="Foreign")
    campaign = CampaignFactory()
    assert "Foreign" not in member(campaign.workspace).get(url("audience", campaign)).text
    assert (
        "Not saved"
        in save("audience", campaign, name="x", audience="segment", segment=foreign.pk).content.decode()
    )


def test_the_content_and_who_sends_it_are_saved_together_and_shares_stay() -> None:
    campaign = CampaignFactory()
    kept = campaign.sender_shares.get()
    campaign.sender_shares.update(weight=5)
    template, another = TemplateFactory(), SenderFactory()
    fields = {
        "template": template.pk,
        "senders": [kept.sender_id, another.pk],
        "utm": "on",
        "utm_source": "n",
    }
    save("content", campaign, **fields)
    assert (campaign.template, campaign.tracked, campaign.utm, campaign.utm_source) == (
        template,
        False,
        True,
        "n",
    )
    assert dict(campaign.sender_shares.values_list("sender", "weight")) == {kept.sender_id: 5, another.pk: 1}
    save("content", campaign, template="", senders=[another.pk])
    assert (campaign.template, list(campaign.senders.all())) == (None, [another])


def test_content_and_senders_of_another_workspace_are_refused() -> None:
    campaign = CampaignFactory()
    before = list(campaign.senders.all())
    for fields in (
        {"template": TemplateFactory(workspace__slug="elsewhere").pk},
        {"senders": [SenderFactory(workspace__slug="elsewhere").pk]},
    ):
        assert "Not saved" in save("content", campaign, **fields).content.decode()
    assert campaign.template is not None and list(campaign.senders.all()) == before


@pytest.mark.parametrize(("go", "view"), [("content", "compose_content"), ("review", "send"), ("x", "send")])
def test_the_last_button_saves_and_goes_on(go: str, view: str) -> None:
    campaign = CampaignFactory()
    data = {"name": "Named", "audience": "both", "go": go}
    response = member(campaign.workspace).post(url("audience", campaign), data)
    assert response.headers["Location"] == reverse(f"delivery:{view}", args=[campaign.pk])
    campaign.refresh_from_db()
    assert campaign.name == "Named"


def test_the_steps_say_what_is_missing() -> None:
    campaign = CampaignFactory(segment=None, template=None, senders=[])
    client = member(campaign.workspace)

    def done() -> list[str]:
        steps = client.get(url("audience", campaign)).context["steps"]
        return [step["name"] for step in steps if step["is_done"]]

    assert done() == ["schedule"]
    save("audience", campaign, name="x", audience="both")
    save("content", campaign, template=TemplateFactory().pk, senders=[SenderFactory().pk])
    assert done() == ["audience", "content", "schedule"]


@pytest.mark.parametrize("step", STEPS)
def test_what_was_activated_is_watched_and_not_changed(step: str) -> None:
    campaign = CampaignFactory(name="Before")
    lifecycle.activate(campaign)
    client = member(campaign.workspace)
    live = reverse("site:campaign", args=[campaign.pk])
    assert client.get(url(step, campaign)).headers["Location"] == live
    fields = {"name": "After", "audience": "both", "clock": "customer"}
    assert "Only a draft can be changed" in save(step, campaign, client, **fields).content.decode()
    assert (campaign.name, campaign.clock) == ("Before", "workspace")


@pytest.mark.parametrize("step", STEPS)
def test_an_analyst_reads_the_review_and_strangers_find_nothing(step: str) -> None:
    campaign = CampaignFactory()
    analyst = member(campaign.workspace, Membership.Role.ANALYST)
    review = reverse("delivery:send", args=[campaign.pk])
    assert analyst.get(url(step, campaign)).headers["Location"] == review
    assert analyst.post(url(step, campaign)).status_code == 403
    assert stranger().get(url(step, campaign)).status_code == 404
    for client in (Client(), customer_of_the_site()):
        assert client.get(url(step, campaign)).status_code == 302


def test_each_choice_shows_its_count() -> None:
    CustomerFactory.create_batch(2, sms_subscribed=True)
    CustomerFactory.create_batch(3)
    CustomerFactory(subscribed=False, sms_subscribed=True)
    CustomerFactory(workspace__slug="elsewhere")
    campaign = CampaignFactory()
    page = member(campaign.workspace).get(reverse("delivery:compose_counts", args=[campaign.pk])).text
    for audience, count in {"all_subscribed": 6, "email_only": 3, "sms_only": 1, "both": 2}.items():
        assert f'id="count-{audience}" hx-swap-oob="true">{count}<' in page


@pytest.mark.parametrize("step", STEPS)
def test_each_step_asks_little_of_the_database(
    step: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    campaign = CampaignFactory()
    SegmentFactory.create_batch(20)
    TemplateFactory.create_batch(20)
    SenderFactory.create_batch(20)
    client = member(campaign.workspace)
    with django_assert_max_num_queries(14):
        client.get(url(step, campaign))


# --- Flows and automations ---------------------------------------------------------------------------


def test_a_flow_is_chosen_in_place_of_a_template_and_a_template_in_place_of_it() -> None:
    flow, draft = make_flow(send(1), leave(2)), CampaignFactory()
    template = draft.template
    senders = [sender.pk for sender in draft.senders.all()]
    chosen = {"template": template.pk, "flow": flow.pk, "senders": senders}
    assert "Version 1" in member(draft.workspace).get(url("content", draft)).text
    save("content", draft, what="flow", **chosen)
    assert (draft.flow, draft.template) == (flow, None)
    save("content", draft, what="mail", **chosen)
    assert (draft.flow, draft.template) == (None, template)


def test_an_automation_sends_a_flow_whatever_else_is_sent_with_it() -> None:
    flow = make_flow(send(1), leave(2))
    draft = on_flow(flow, kind="automation", segment=None)
    Automation.objects.create(campaign=draft, start="event", event="order_placed")
    save("content", draft, what="mail", template=TemplateFactory().pk, flow=flow.pk)
    assert (draft.flow, draft.template) == (flow, None)
    save("audience", draft, name="Thanks", audience=draft.audience)
    assert draft.name == "Thanks"
    page = member(draft.workspace).get(url("audience", draft)).text
    assert "When an event comes in about them</b>: order_placed" in page
    assert reverse("admin:campaigns_automation_change", args=[draft.pk]) in page
    assert url("audience", draft) in page and "Make it an automation" not in page


def test_a_goal_is_set_with_the_content_and_one_that_cannot_be_is_refused() -> None:
    draft = CampaignFactory()
    save("content", draft, goal_event="order_placed", goal_days="", goal_value="total")
    assert (draft.goal_event, draft.goal_days, draft.goal_value) == ("order_placed", 7, "total")
    said = save("content", draft, goal_event="Order placed", goal_days="120")
    assert "Not saved" in said.text and "Write it like order_placed." in said.text
    assert (draft.goal_event, draft.goal_days) == ("order_placed", 7)


def test_a_copy_and_the_next_campaign_keep_the_flow_and_the_goal() -> None:
    draft = on_flow(make_flow(send(1), leave(2)), goal_event="order_placed", goal_days=3)
    for made in (drafts.clone(draft), drafts.begin(draft.workspace)):
        assert (made.flow, made.template, made.goal_event, made.goal_days) == (
            draft.flow,
            None,
            "order_placed",
            3,
        )


def test_a_copy_of_an_automation_starts_people_alike_and_the_next_campaign_is_none() -> None:
    plain = CampaignFactory()
    automated = on_flow(make_flow(send(1), leave(2), workspace=plain.workspace), kind="automation")
    Automation.objects.create(campaign=automated, start="event", event="order_placed", again="always")
    copy = drafts.clone(automated)
    assert (copy.kind, copy.automation.event, copy.automation.again) == (
        "automation",
        "order_placed",
        "always",
    )
    following = drafts.begin(plain.workspace)
    assert (following.kind, following.flow) == ("campaign", None)
