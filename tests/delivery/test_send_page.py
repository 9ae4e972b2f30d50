"""The two-step send: the right numbers, hard stops, one activation."""

from __future__ import annotations

import threading
from datetime import date, time, timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from audience.models import Membership, Suppression, Workspace
from campaigns import lifecycle
from campaigns.models import Campaign, CampaignTransition, Sender
from delivery.models import SendLog
from tests.delivery.staff import customer_of_the_site, member, stranger
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    SegmentFactory,
    SenderFactory,
    SuppressionFactory,
    TemplateFactory,
)

pytestmark = pytest.mark.django_db


def url(campaign: Campaign) -> str:
    return reverse("delivery:send", args=[campaign.pk])


def review(campaign: Campaign, client: Client | None = None, **query: Any) -> dict[str, Any]:
    """What the page was made from."""
    response = (client or member(campaign.workspace)).get(url(campaign), query)
    assert response.status_code == 200
    shown = {name: response.context[name] for name in response.context.keys()}  # noqa: SIM118
    return shown | {"page": " ".join(response.content.decode().split())}


def go_live(campaign: Campaign, client: Client | None = None, **fields: Any) -> list[str]:
    """Confirm, and return what the page says then."""
    data = {"audience": campaign.audience, "segment": campaign.segment_id or ""} | fields
    response = (client or member(campaign.workspace)).post(url(campaign), data, follow=True)
    assert response.redirect_chain == [(url(campaign), 302)]
    campaign.refresh_from_db()
    return [str(message) for message in response.context["messages"]]


def everybody() -> Workspace:
    """Two with both opt-ins, three with e-mail, one with SMS, one with none."""
    workspace = CustomerFactory(sms_subscribed=True).workspace
    CustomerFactory(sms_subscribed=True)
    CustomerFactory.create_batch(3)
    CustomerFactory(subscribed=False, sms_subscribed=True)
    CustomerFactory(subscribed=False)
    CustomerFactory(workspace__slug="elsewhere")
    return workspace


def test_each_audience_shows_its_count() -> None:
    campaign = CampaignFactory(workspace=everybody())
    counts = {choice["value"]: choice["count"] for choice in review(campaign)["choices"]}
    assert counts == {"all_subscribed": 6, "email_only": 3, "sms_only": 1, "both": 2, "segment": None}


def test_the_funnel_says_who_will_not_get_it_and_why() -> None:
    SuppressionFactory(email="bounced@example.com", reason=Suppression.Reason.HARD_BOUNCE)
    CustomerFactory(email="bounced@example.com")
    CustomerFactory(unmailable=True)
    CustomerFactory(sms_subscribed=True, subscribed=False)
    CustomerFactory.create_batch(4)
    campaign = CampaignFactory(audience="all_subscribed")
    shown = review(campaign)
    assert (shown["funnel"].matched, shown["funnel"].will_be_sent) == (7, 4)
    assert dict(shown["refused"]) == {
        "Address bounced before": 1,
        "Address cannot be mailed": 1,
        "Has not opted in to e-mail": 1,
    }
    assert "Send to 4 people" in shown["page"]


def test_another_choice_refreshes_funnel_and_button_and_saves_nothing() -> None:
    campaign = CampaignFactory(workspace=everybody())
    client = member(campaign.workspace)
    reach = reverse("delivery:send_audience", args=[campaign.pk])
    page = client.get(reach, {"audience": "both", "segment": ""}).content.decode()
    assert "Send to 2 people" in page
    assert page.count('hx-swap-oob="true"') == 3
    campaign.refresh_from_db()
    assert campaign.audience == "segment"


def test_the_segment_is_described_in_words() -> None:
    assert review(CampaignFactory())["description"] == "e-mail opt-in is yes"


@pytest.mark.parametrize("query", [{"audience": "nonsense"}, {"audience": "segment", "segment": "x"}])
def test_a_choice_that_makes_no_sense_leaves_the_stored_one(query: dict[str, str]) -> None:
    assert review(CampaignFactory(), **query)["funnel"].matched == 0


def test_a_segment_that_cannot_be_evaluated_any_more_is_a_message_not_a_crash() -> None:
    rule = {"field": "attributes.gone", "operator": "is_set"}
    shown = review(CampaignFactory(segment__criteria={"all": [rule]}))
    assert "gone" in shown["funnel_error"]
    assert "Send to" not in shown["page"]


def test_without_a_segment_there_is_no_funnel_yet() -> None:
    assert "Choose a segment to see whom" in review(CampaignFactory(segment=None))["funnel_error"]


def test_problems_are_hard_stops_that_say_what_to_do() -> None:
    campaign = CampaignFactory(segment=None, template=None, senders=[])
    shown = review(campaign)
    for words in ("No segment is chosen", "No template is chosen", "No sender is chosen"):
        assert words in shown["page"]
    assert "3 things at the top of this page" in shown["page"]
    assert go_live(campaign, audience="all_subscribed")[0].startswith(
        "Nothing was sent. No template is chosen"
    )
    assert campaign.status == "draft"


def test_a_problem_that_another_audience_solves_goes_away_with_it() -> None:
    campaign = CampaignFactory(segment=None)
    assert review(campaign)["problems"]
    assert review(campaign, audience="all_subscribed")["problems"] == []


def test_the_inbox_line_is_rendered_as_somebody_of_the_audience() -> None:
    template = TemplateFactory(preheader="For {{ customer.email }}")
    CustomerFactory(name="Ada", email="ada@example.com")
    inbox = review(CampaignFactory(template=template))["inbox"]
    assert (inbox.subject, inbox.preheader) == ("Hello Ada", "For ada@example.com")


@pytest.mark.parametrize("subject", ["Hello {{ customer_name }}", "Hello {{ broken"])
def test_without_anybody_the_inbox_line_is_shown_as_written(subject: str) -> None:
    inbox = review(CampaignFactory(template=TemplateFactory(subject=subject)))["inbox"]
    assert (inbox.subject, inbox.rendered_as) == (subject, "")


def test_a_broken_template_is_shown_as_written_and_its_problem_said() -> None:
    CustomerFactory()
    shown = review(CampaignFactory(template=TemplateFactory(subject="Hello {{ broken")))
    assert shown["inbox"].subject == "Hello {{ broken"
    assert "has an error" in shown["problems"][0]


def test_the_start_is_said_with_its_zone() -> None:
    campaign = CampaignFactory(start_date=date(2040, 2, 29), start_time=time(9, 30))
    Workspace.objects.update(time_zone="Europe/Berlin")
    assert "Wednesday 29 February 2040, 09:30, Europe/Berlin" in review(campaign)["page"]
    Campaign.objects.update(clock="customer")
    assert "on each customer's own clock; Europe/Berlin for those" in review(campaign)["page"]


def test_senders_are_shown_with_what_is_wrong_with_them() -> None:
    sender = SenderFactory(state=Sender.State.STOPPED, reply_to="help@acme.example")
    page = review(CampaignFactory(senders=[sender]))["page"]
    assert "Acme &lt;news@acme.example&gt;, replies to help@acme.example" in page
    assert "Stopped" in page


def test_live_asks_once_more_with_the_number_and_the_choice_that_it_is_about() -> None:
    campaign = CampaignFactory(workspace=everybody())
    first = review(campaign, audience="email_only")["page"]
    assert "Yes, send it" not in first
    second = review(campaign, audience="email_only", confirm="1")["page"]
    assert f"Send “{campaign.name}” to 3 people now?" in second
    assert '<input type="hidden" name="audience" value="email_only">' in second


def test_live_saves_the_audience_activates_and_returns_before_anything_is_sent() -> None:
    campaign = CampaignFactory(workspace=everybody())
    [said] = go_live(campaign, audience="both")
    assert said == f"“{campaign.name}” is activated. It sends in the background; you can close this page."
    assert (campaign.status, campaign.audience, campaign.segment) == ("active", "both", None)
    assert not SendLog.objects.exists()
    assert CampaignTransition.objects.get().actor.is_staff


def test_a_segment_is_saved_with_the_choice_of_a_segment() -> None:
    campaign = CampaignFactory(segment=None, audience="both")
    segment = SegmentFactory()
    go_live(campaign, audience="segment", segment=segment.pk)
    assert (campaign.status, campaign.audience, campaign.segment) == ("active", "segment", segment)


def test_after_activation_the_page_shows_progress_instead() -> None:
    campaign = CampaignFactory()
    go_live(campaign)
    page = review(campaign)["page"]
    assert f'id="progress-{campaign.pk}"' in page
    assert "0 sent, 0 failed" in page
    assert 'name="audience"' not in page


def test_a_start_that_lies_ahead_is_scheduled() -> None:
    campaign = CampaignFactory(start_date=timezone.now().date() + timedelta(days=9))
    assert "Schedule for 0 people" in review(campaign)["page"]
    assert "when its start has come" in go_live(campaign)[0]


def test_sending_twice_activates_once_and_says_so() -> None:
    campaign = CampaignFactory()
    client = member(campaign.workspace)
    go_live(campaign, client)
    said = go_live(campaign, client, audience="all_subscribed")
    assert said == [
        f"“{campaign.name}” is active already. It was activated once, and nobody is mailed twice."
    ]
    assert campaign.audience == "segment"
    assert CampaignTransition.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_the_same_moment_one_activates() -> None:
    campaign = CampaignFactory()
    clients = [member(campaign.workspace), member(campaign.workspace)]
    together = threading.Barrier(2)

    def click(client: Client, audience: str) -> None:
        together.wait()
        client.post(url(campaign), {"audience": audience})
        connections.close_all()

    clicks = [
        threading.Thread(target=click, args=pair)
        for pair in zip(clients, ("both", "email_only"), strict=True)
    ]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    campaign.refresh_from_db()
    assert campaign.status == "active"
    assert CampaignTransition.objects.count() == 1


@pytest.mark.parametrize("fields", [{"audience": "nonsense"}, {"audience": ""}, {"segment": "999999"}])
def test_a_forged_choice_sends_nothing(fields: dict[str, str]) -> None:
    campaign = CampaignFactory()
    assert "nothing was sent" in go_live(campaign, **fields)[0]
    assert campaign.status == "draft"


def test_a_segment_of_another_workspace_is_neither_counted_nor_saved() -> None:
    CustomerFactory.create_batch(2, workspace__slug="elsewhere")
    foreign = SegmentFactory(workspace__slug="elsewhere")
    campaign = CampaignFactory()
    assert review(campaign, audience="segment", segment=foreign.pk)["funnel"].matched == 0
    assert "nothing was sent" in go_live(campaign, segment=foreign.pk)[0]
    assert foreign.name not in review(campaign)["page"]


def test_a_segment_is_missing_when_the_choice_is_a_segment() -> None:
    campaign = CampaignFactory(segment=None)
    assert "No segment is chosen" in go_live(campaign)[0]
    assert campaign.status == "draft"


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 302), ("manager", 302), ("editor", 403), ("analyst", 403)]
)
def test_owners_and_managers_may_send(role: str, status: int) -> None:
    campaign = CampaignFactory()
    client = member(campaign.workspace, Membership.Role(role))
    page = review(campaign, client, confirm="1")["page"]
    assert ("Yes, send it" in page) == (status == 302)
    assert client.post(url(campaign), {"audience": "both"}).status_code == status
    campaign.refresh_from_db()
    assert campaign.status == ("active" if status == 302 else "draft")


def test_strangers_find_nothing_and_others_are_asked_to_log_in() -> None:
    campaign = CampaignFactory()
    reach = reverse("delivery:send_audience", args=[campaign.pk])
    assert [stranger().get(path).status_code for path in (url(campaign), reach)] == [404, 404]
    assert stranger().post(url(campaign), {"audience": "both"}).status_code == 404
    for client in (Client(), customer_of_the_site()):
        assert [client.get(path).status_code for path in (url(campaign), reach)] == [302, 302]
        assert client.post(url(campaign), {"audience": "both"}).status_code == 302
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_sending_takes_a_token_against_forgery() -> None:
    campaign = CampaignFactory()
    client = Client(enforce_csrf_checks=True)
    client.force_login(CampaignTransition.actor.field.related_model.objects.create_superuser("root"))
    assert client.post(url(campaign), {"audience": "both"}).status_code == 403
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_switched_off_sending_is_said_before_and_after(settings: Settings) -> None:
    settings.ENABLE_EMAIL_SCHEDULER = False
    campaign = CampaignFactory()
    assert "ENABLE_EMAIL_SCHEDULER=false" in review(campaign)["page"]
    assert "Sending is switched off" in go_live(campaign)[0]


@pytest.mark.parametrize("action", ["cancel", "complete"])
def test_an_ended_campaign_is_shown_as_ended(action: str) -> None:
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    getattr(lifecycle, action)(campaign)
    assert "Finished" in review(campaign)["page"]


def test_the_page_asks_little_of_the_database(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    campaign = CampaignFactory(workspace=everybody())
    SegmentFactory.create_batch(30)
    client = member(campaign.workspace)
    with django_assert_max_num_queries(22):
        client.get(url(campaign))
