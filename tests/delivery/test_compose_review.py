"""The review: the right numbers, hard stops, one activation of what was looked at."""

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

from audience.models import ContactPolicy, Customer, Membership, Suppression, Workspace
from campaigns import drafts
from campaigns.models import Campaign, CampaignTransition, Sender
from delivery import policy
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
from tests.flows import leave, make_flow, on_flow, send, wait

pytestmark = pytest.mark.django_db


def url(campaign: Campaign) -> str:
    return reverse("delivery:send", args=[campaign.pk])


def reach(campaign: Campaign) -> str:
    return reverse("delivery:reach", args=[campaign.pk])


def review(campaign: Campaign, client: Client | None = None, **query: Any) -> dict[str, Any]:
    """What the page and the part that it fetches were made from."""
    client = client or member(campaign.workspace)
    responses = [client.get(url(campaign)), client.get(reach(campaign), {"review": "1"} | query)]
    assert [response.status_code for response in responses] == [200, 200]
    shown: dict[str, Any] = {}
    for response in responses:
        shown |= {name: response.context[name] for name in response.context.keys()}  # noqa: SIM118
    words = " ".join(response.content.decode() for response in responses)
    return shown | {"page": " ".join(words.split())}


def go_live(campaign: Campaign, client: Client | None = None, **fields: Any) -> list[str]:
    """Confirm, and return what the page says then."""
    campaign.refresh_from_db()
    data = {"as_of": campaign.updated_at.isoformat()} | fields
    response = (client or member(campaign.workspace)).post(url(campaign), data, follow=True)
    assert response.redirect_chain[0] == (url(campaign), 302)
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


def test_the_segment_is_described_in_words() -> None:
    assert review(CampaignFactory())["description"] == "e-mail opt-in is yes"


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
    assert go_live(campaign)[0].startswith("Nothing was sent. No segment is chosen")
    assert campaign.status == "draft"


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


def test_the_question_has_the_number_and_names_the_draft_that_it_is_about() -> None:
    campaign = CampaignFactory(workspace=everybody(), audience="email_only", segment=None)
    assert "Yes, send it" not in review(campaign)["page"]
    second = review(campaign, confirm="1")["page"]
    assert f"Send “{campaign.name}” to 3 people now?" in second
    assert f'name="as_of" value="{campaign.updated_at.isoformat()}"' in second


def test_live_activates_and_returns_before_anything_is_sent() -> None:
    campaign = CampaignFactory(workspace=everybody(), audience="both", segment=None)
    [said] = go_live(campaign)
    assert said == f"“{campaign.name}” is activated. It sends in the background; you can close this page."
    assert (campaign.status, campaign.audience, campaign.segment) == ("active", "both", None)
    assert not SendLog.objects.exists()
    assert CampaignTransition.objects.get().actor.is_staff


def test_a_start_that_lies_ahead_is_scheduled() -> None:
    campaign = CampaignFactory(start_date=timezone.now().date() + timedelta(days=9))
    assert "Schedule for 0 people" in review(campaign)["page"]
    assert "when its start has come" in go_live(campaign)[0]


def test_sending_twice_activates_once_and_says_so() -> None:
    campaign = CampaignFactory()
    client = member(campaign.workspace)
    go_live(campaign, client)
    said = go_live(campaign, client)
    assert said == [
        f"“{campaign.name}” is active already. It was activated once, and nobody is mailed twice."
    ]
    assert CampaignTransition.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_the_same_moment_one_activates() -> None:
    campaign = CampaignFactory()
    clients = [member(campaign.workspace), member(campaign.workspace)]
    together = threading.Barrier(2)

    def click(client: Client) -> None:
        together.wait()
        client.post(url(campaign), {"as_of": campaign.updated_at.isoformat()})
        connections.close_all()

    clicks = [threading.Thread(target=click, args=[client]) for client in clients]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    campaign.refresh_from_db()
    assert campaign.status == "active"
    assert CampaignTransition.objects.count() == 1


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
    as_of = {"as_of": campaign.updated_at.isoformat()}
    assert client.post(url(campaign), as_of).status_code == status
    campaign.refresh_from_db()
    assert campaign.status == ("active" if status == 302 else "draft")


def test_what_was_changed_after_the_look_is_not_sent() -> None:
    campaign = CampaignFactory()
    looked_at = campaign.updated_at.isoformat()
    drafts.change(campaign, name="Another")
    assert go_live(campaign, as_of=looked_at) == [
        "The draft was changed after you looked at it. Look again; nothing was sent."
    ]
    assert campaign.status == "draft"


@pytest.mark.parametrize("as_of", ["", "yesterday"])
def test_a_confirmation_that_does_not_say_of_what_sends_nothing(as_of: str) -> None:
    campaign = CampaignFactory()
    assert "nothing was sent" in go_live(campaign, as_of=as_of)[0]
    assert campaign.status == "draft"


def test_an_activated_campaign_is_watched_on_its_own_page() -> None:
    campaign = CampaignFactory()
    go_live(campaign)
    response = member(campaign.workspace).get(url(campaign))
    assert response.headers["Location"] == reverse("site:campaign", args=[campaign.pk])


def test_the_list_asks_with_the_number_before_it_starts_a_draft() -> None:
    campaign = CampaignFactory(workspace=everybody(), audience="both", segment=None)
    client = member(campaign.workspace)
    page = client.get(reverse("delivery:start", args=[campaign.pk])).content.decode()
    assert "to 2 people" in page and campaign.updated_at.isoformat() in page
    data = {"as_of": campaign.updated_at.isoformat()}
    response = client.post(url(campaign), data, headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Trigger"]) == (204, "steered")
    campaign.refresh_from_db()
    assert campaign.status == "active"


def test_the_list_says_what_is_in_the_way_of_a_draft() -> None:
    campaign = CampaignFactory(template=None)
    page = member(campaign.workspace).get(reverse("delivery:start", args=[campaign.pk])).content.decode()
    assert "No template is chosen" in page and "Yes" not in page


def test_strangers_find_nothing_and_others_are_asked_to_log_in() -> None:
    campaign = CampaignFactory()
    paths = [url(campaign), reach(campaign)]
    assert [stranger().get(path).status_code for path in paths] == [404, 404]
    assert stranger().post(url(campaign), {"audience": "both"}).status_code == 404
    for client in (Client(), customer_of_the_site()):
        assert [client.get(path).status_code for path in paths] == [302, 302]
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


def test_the_page_asks_little_of_the_database(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    campaign = CampaignFactory(workspace=everybody())
    SegmentFactory.create_batch(30)
    client = member(campaign.workspace)
    with django_assert_max_num_queries(22):
        client.get(url(campaign))


# --- The contact policy, flows -----------------------------------------------------------------------


@pytest.mark.parametrize(("action", "gets_it"), [("skip", 1), ("move", 2)])
def test_who_has_had_enough_mails_is_counted_by_the_contact_policy(action: str, gets_it: int) -> None:
    had, few, suppressed = (CustomerFactory() for _ in range(3))
    SuppressionFactory(email=suppressed.email)
    draft = CampaignFactory(audience="all_subscribed", segment=None)
    ContactPolicy.objects.create(workspace=draft.workspace, cap_mails=2, cap_days=7, cap_action=action)
    for customer, days in ((had, 1), (had, 2), (suppressed, 1), (suppressed, 2), (few, 1), (few, 8)):
        mailed(customer, days)
    page = review(draft)
    assert (page["funnel"].matched, page["funnel"].will_be_sent) == (3, gets_it)
    assert ("1 of them have had as many mails" in page["page"]) == (action == "move")
    assert (str(SendLog.Reason.CAPPED.label) in page["page"]) == (action == "skip")


@pytest.mark.parametrize(("action", "large"), [("skip", 0.1), ("skip", 2), ("move", 0.1)])
def test_of_many_who_has_had_enough_mails_is_estimated_and_said_to_be(
    action: str, large: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "LOOKED_AT", 3)
    monkeypatch.setattr(policy, "LARGE", large)
    people = CustomerFactory.create_batch(8)
    draft = CampaignFactory(audience="all_subscribed", segment=None)
    ContactPolicy.objects.create(workspace=draft.workspace, cap_mails=1, cap_action=action)
    for customer in people[:6]:
        mailed(customer, days=1)
    page = review(draft)
    # So few are all drawn, whichever way: the estimate is right.
    assert (page["funnel"].matched, page["funnel"].will_be_sent) == (8, 2 if action == "skip" else 8)
    assert ("Send to about 2 people" in page["page"]) == (action == "skip")
    assert ("About 6 of them have had as many mails" in page["page"]) == (action == "move")
    assert "is an estimate" in page["page"]


@pytest.mark.parametrize("looked_at", [3, 100])
def test_the_funnel_costs_as_many_queries_for_many_as_for_few(
    looked_at: int, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(policy, "LOOKED_AT", looked_at)
    CustomerFactory.create_batch(8)
    draft = CampaignFactory(audience="all_subscribed", segment=None)
    ContactPolicy.objects.create(workspace=draft.workspace, cap_mails=1)
    client = member(draft.workspace)
    with django_assert_max_num_queries(17):
        client.get(reach(draft), {"review": "1"})


def mailed(customer: Customer, days: int) -> None:
    """A mail of another campaign, so many days ago."""
    at = timezone.now() - timedelta(days=days)
    SendLog.objects.create(
        workspace=customer.workspace,
        campaign=CampaignFactory(workspace=customer.workspace),
        customer=customer,
        sender=SenderFactory(),
        email=customer.email,
        status="sent",
        due_at=at,
        sent_at=at,
    )


def test_a_flow_is_reviewed_with_its_mails_and_nothing_that_only_one_mail_has() -> None:
    draft = on_flow(make_flow(send(1), wait(2, days=3), send(3), leave(4)))
    CustomerFactory()
    page = review(draft)
    assert "Mail 1" in page["page"] and "Mail 3" in page["page"] and "Simulate the flow" in page["page"]
    assert page["inbox"] is None and reverse("delivery:checks_mail", args=[draft.pk]) not in page["page"]
    assert reverse("delivery:send_test", args=[draft.pk]) not in page["page"]
    times = member(draft.workspace).get(reverse("delivery:checks_times", args=[draft.pk])).text
    assert "The flow's waits decide" in times
