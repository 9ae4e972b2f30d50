from __future__ import annotations

from dataclasses import replace
from datetime import date, time

import pytest

from campaigns import templates
from campaigns.models import Campaign, CampaignTransition, Template, TemplateVersion
from campaigns.templates import Sources
from tests.api.program import Program, fields, problem
from tests.factories import CampaignFactory, CustomerFactory, SegmentFactory, SenderFactory, TemplateFactory

pytestmark = pytest.mark.django_db


def status(program: Program, campaign: Campaign, wanted: str, **given: str) -> int:
    return program.put(f"/campaigns/{campaign.pk}/status", {"status": wanted, **given}).status_code


def test_a_draft_is_made_with_all_that_is_given() -> None:
    program = Program()
    mine = {"workspace": program.workspace}
    segment, template, sender = SegmentFactory(**mine), TemplateFactory(**mine), SenderFactory(**mine)
    body = {
        "name": "Spring",
        "segment_id": segment.pk,
        "template_id": template.pk,
        "senders": [{"id": sender.pk, "weight": 3}],
        "start_date": "2027-03-01",
        "start_time": "09:30",
        "clock": "customer",
        "tracked": False,
        "utm": True,
        "utm_source": "shop",
    }
    answer = program.post("/campaigns", body)
    assert answer.status_code == 201 and answer.json() == answer.json() | body | {"start_time": "09:30:00"}
    campaign = Campaign.objects.get()
    assert (campaign.segment, campaign.template, campaign.created_by) == (segment, template, program.user)
    assert (campaign.start_date, campaign.start_time) == (date(2027, 3, 1), time(9, 30))
    assert campaign.sender_shares.get().weight == 3
    assert program.get(f"/campaigns/{campaign.pk}")["ETag"] == answer["ETag"]


def test_a_campaign_for_everybody_has_no_segment() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace)
    answer = program.patch(f"/campaigns/{campaign.pk}", {"audience": "all_subscribed"})
    assert (answer.json()["audience"], answer.json()["segment_id"]) == ("all_subscribed", None)


def test_senders_are_replaced_by_those_that_are_given_and_stay_when_none_are() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace)
    other = SenderFactory(workspace=program.workspace)
    path = f"/campaigns/{campaign.pk}"
    assert len(program.patch(path, {"name": "Other"}).json()["senders"]) == 1
    assert program.patch(path, {"senders": [{"id": other.pk}]}).json()["senders"] == [
        {"id": other.pk, "weight": 1}
    ]
    assert program.patch(path, {"senders": []}).json()["senders"] == []


def test_what_is_not_a_draft_cannot_be_changed() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace, name="Before")
    assert status(program, campaign, "active") == 200
    found = problem(program.patch(f"/campaigns/{campaign.pk}", {"name": "After"}), 409, "not-a-draft")
    assert "Only a draft" in found["detail"]


def test_the_status_goes_the_way_of_the_lifecycle_with_its_history() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace)
    ways = ["active", "active", "paused", "active", "paused", "cancelled", "cancelled"]
    assert [status(program, campaign, wanted, reason="Because") for wanted in ways] == [200] * 7
    history = list(CampaignTransition.objects.values_list("action", "actor__username"))
    actions = ["activate", "pause", "resume", "pause", "cancel"]
    assert history == [(action, program.user.username) for action in actions]
    assert CampaignTransition.objects.last().reason == "Because"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("before", "wanted"),
    [("draft", "paused"), ("draft", "cancelled"), ("completed", "active"), ("cancelled", "paused")],
)
def test_a_status_that_cannot_be_reached_is_refused_with_what_can(before: str, wanted: str) -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace, status=before)
    found = problem(program.put(f"/campaigns/{campaign.pk}/status", {"status": wanted}), 409, "not-possible")
    assert f"is {before} and cannot be" in found["detail"]
    campaign.refresh_from_db()
    assert campaign.status == before


@pytest.mark.parametrize("wanted", ["failed", "draft", "sending", ""])
def test_a_status_that_is_not_for_people_to_choose_is_refused(wanted: str) -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace)
    answer = program.put(f"/campaigns/{campaign.pk}/status", {"status": wanted})
    assert fields(problem(answer, 422, "refused")) == ["status"]


def test_a_draft_that_lacks_something_says_what_before_and_when_it_is_activated() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace, template=None, senders=[])
    said = program.get(f"/campaigns/{campaign.pk}/readiness").json()["problems"]
    assert len(said) == 2
    answer = program.put(f"/campaigns/{campaign.pk}/status", {"status": "active"})
    assert all(words in problem(answer, 409, "not-ready")["detail"] for words in said)
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_a_list_is_narrowed_by_status_and_name() -> None:
    program = Program()
    one, two = (CampaignFactory(workspace=program.workspace, name=name) for name in ("One", "Two"))
    status(program, two, "active")

    def found(query: str) -> list[int]:
        return [item["id"] for item in program.get(f"/campaigns?{query}").json()["items"]]

    assert (found("status=draft"), found("name=Two"), found("")) == ([one.pk], [two.pk], [two.pk, one.pk])
    problem(program.get("/campaigns?status=nonsense"), 422, "refused")


# --- Templates ----------------------------------------------------------------------------------------


def test_a_template_that_could_not_be_sent_is_refused_with_its_line() -> None:
    program = Program()
    body = {"name": "T", "format": "html", "subject": "Hi", "body": "<p>\n{% if %}</p>"}
    found = problem(program.post("/templates", body), 422, "refused")
    assert fields(found) == ["body"] and "Line 2" in found["errors"][0]["detail"]


def test_a_template_is_saved_with_what_its_author_should_look_at() -> None:
    program = Program()
    body = {"name": "T", "format": "markdown", "subject": "Hi {{ customer.nmae }}", "body": "Hello"}
    answer = program.post("/templates", body)
    assert answer.status_code == 201
    assert {warning["field"] for warning in answer.json()["warnings"]} == {"subject", "body"}
    path = f"/templates/{answer.json()['id']}"
    assert program.get(path)["ETag"] == answer["ETag"]
    changed = program.patch(path, {"subject": "Hi"}, If_Match=answer["ETag"])
    assert (changed.json()["subject"], changed.json()["body"]) == ("Hi", "Hello")


def test_two_templates_cannot_have_one_name() -> None:
    program = Program()
    TemplateFactory(workspace=program.workspace, name="T")
    body = {"name": "T", "format": "plain", "subject": "Hi", "body": "Hello"}
    found = problem(program.post("/templates", body), 422, "refused")
    assert fields(found) == ["name"] and "There is a template “T” already" in found["errors"][0]["detail"]
    other = TemplateFactory(workspace=program.workspace, name="U")
    assert fields(problem(program.patch(f"/templates/{other.pk}", {"name": "T"}), 422, "refused")) == ["name"]
    assert Template.objects.count() == 2


def test_each_save_of_a_template_is_a_version_in_the_members_name() -> None:
    program = Program()
    body = {"name": "T", "format": "plain", "subject": "Hi", "body": "Hello\r\nyou"}
    made = program.post("/templates", body).json()
    path = f"/templates/{made['id']}"
    assert (made["version"], made["body"]) == (1, "Hello\nyou")
    assert program.patch(path, {"subject": "Hi!"}).json()["version"] == 2
    assert program.patch(path, {"subject": "Hi!"}).json()["version"] == 2
    kept = TemplateVersion.objects.order_by("number").values_list("subject", "saved_by__username")
    assert list(kept) == [("Hi", program.user.username), ("Hi!", program.user.username)]


def test_what_the_editor_saved_meanwhile_is_not_lost() -> None:
    program = Program()
    template = TemplateFactory(workspace=program.workspace)
    path = f"/templates/{template.pk}"
    seen = program.get(path)["ETag"]
    others = replace(Sources.of(template), subject="Theirs")
    templates.save(template, template.name, others, based_on=template.version, actor=None)
    problem(program.patch(path, {"subject": "Mine"}, If_Match=seen), 412, "stale")
    assert Template.objects.get().subject == "Theirs"


def test_a_preview_is_the_mail_that_this_customer_would_get() -> None:
    program = Program()
    template = TemplateFactory(workspace=program.workspace)
    customer = CustomerFactory(workspace=program.workspace, name="Grace <b>")
    answer = program.post(f"/templates/{template.pk}/preview", {"customer_id": customer.pk}).json()
    assert answer["subject"] == "Hello Grace <b>" and "Grace &lt;b&gt;" in answer["html"]
