from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from audience.models import AuditEntry
from campaigns import lifecycle
from campaigns.flows import publishing
from campaigns.models import Campaign, Enrollment, Flow
from tests.api.program import Program, fields, problem
from tests.factories import CampaignFactory, CustomerFactory, FlowFactory, TemplateFactory
from tests.flows import leave, make_flow, on_flow, wait, work

pytestmark = pytest.mark.django_db
EXIT = [{"key": 1, "kind": "exit"}]


def test_a_flow_is_made_changed_and_published_and_its_versions_stay() -> None:
    program = Program()
    template = TemplateFactory(workspace=program.workspace)
    made = program.post("/flows", {"name": "Welcome"})
    assert made.status_code == 201 and made.json()["version"] is None and made.json()["is_changed"]
    path = f"/flows/{made.json()['id']}"
    steps = [{"key": 1, "kind": "send", "template": template.pk}, {"key": 2, "kind": "exit"}]
    changed = program.patch(path, {"steps": steps}, If_Match=made["ETag"])
    assert changed.json()["steps"] == steps == program.get(path).json()["steps"]
    first = program.post(f"{path}/versions", {})
    assert (first.status_code, first.json()["number"]) == (201, 1)
    assert program.get(path).json()["is_changed"] is False
    program.patch(path, {"steps": [*steps[:1], {"key": 3, "kind": "exit"}]})
    assert program.post(f"{path}/versions", {}).json()["number"] == 2
    listed = program.get(f"{path}/versions").json()["items"]
    assert [version["number"] for version in listed] == [2, 1]
    assert program.get(f"{path}/versions/1").json()["steps"] == steps
    problem(program.get(f"{path}/versions/3"), 404, "not-found")


def test_somebody_elses_change_of_a_flow_is_not_lost() -> None:
    program = Program()
    flow = FlowFactory(workspace=program.workspace)
    seen = program.get(f"/flows/{flow.pk}")["ETag"]
    assert program.patch(f"/flows/{flow.pk}", {"steps": EXIT}, If_Match=seen).status_code == 200
    problem(program.patch(f"/flows/{flow.pk}", {"steps": []}, If_Match=seen), 412, "stale")
    assert Flow.objects.get().steps == EXIT


@pytest.mark.parametrize(
    "steps",
    [
        [{"kind": "exit"}],
        [{"key": 1, "kind": "explode"}],
        [*EXIT, *EXIT],
        [{"key": True, "kind": "exit"}],
        [{"key": 1, "kind": "condition", "yes": 5}],
        [{"key": 1, "kind": "split", "branches": [1]}],
    ],
)
def test_what_are_no_steps_is_refused_and_nothing_is_written(steps: list[object]) -> None:
    program = Program()
    answer = program.post("/flows", {"name": "Welcome", "steps": steps})
    assert fields(problem(answer, 422, "refused")) == ["steps"]
    assert not Flow.objects.exists()


def test_two_flows_cannot_have_one_name() -> None:
    program = Program()
    FlowFactory(workspace=program.workspace, name="Welcome")
    problem(program.post("/flows", {"name": "Welcome"}), 422, "refused")


def test_a_flow_with_problems_says_them_and_is_not_published() -> None:
    program = Program()
    flow = FlowFactory(workspace=program.workspace, steps=[{"key": 7, "kind": "send", "template": None}])
    said = program.get(f"/flows/{flow.pk}/readiness").json()
    assert [found["step"] for found in said["problems"]] == [7]
    found = problem(program.post(f"/flows/{flow.pk}/versions", {}), 409, "not-ready")
    assert said["problems"][0]["detail"] in found["detail"]
    assert not flow.versions.exists()


def in_flight(program: Program) -> tuple[Flow, Campaign]:
    """A flow with somebody who waits at its first step."""
    flow = make_flow(wait(1, days=3), leave(2), workspace=program.workspace)
    CustomerFactory(workspace=program.workspace)
    campaign = on_flow(flow)
    lifecycle.activate(campaign)
    work()
    return flow, campaign


@pytest.mark.parametrize(
    ("answer", "version", "state"),
    [
        ([], 1, "waiting"),
        ([{"step": 1, "then": "stay"}], 1, "waiting"),
        ([{"step": 1, "then": "leave"}], 1, "left"),
        ([{"step": 1, "then": "move", "to": 1}], 2, "waiting"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_publishing_says_what_becomes_of_people_in_flight(
    answer: list[object], version: int, state: str
) -> None:
    program = Program()
    flow, _ = in_flight(program)
    steps = [{"key": 1, "kind": "wait", "for": {"days": 9}}, {"key": 2, "kind": "exit"}]
    program.patch(f"/flows/{flow.pk}", {"steps": steps})
    [line] = program.get(f"/flows/{flow.pk}/readiness").json()["people"]
    assert (line["step"], line["people"], line["is_kept"]) == (1, 1, True)
    made = program.post(f"/flows/{flow.pk}/versions", {"people": answer})
    assert made.json()["number"] == 2
    place = Enrollment.objects.get()
    assert (place.version.number, place.state) == (version, state)
    entry = AuditEntry.objects.filter(action="flow published").order_by("id")[1]
    assert "by the API key A program" in entry.door and entry.actor_name == program.user.username
    assert (entry.before, entry.after["version"]) == ({"version": 1}, 2)
    told = AuditEntry.objects.filter(action="people moved").values_list("actor_name", flat=True)
    assert list(told) == [program.user.username] * (version == 2 or state == "left")


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ([{"step": 1, "then": "move"}], "people.0.to"),
        ([{"step": 1, "then": "leave", "to": 2}], "people.0.to"),
        ([{"step": 1, "then": "leave"}, {"step": 1, "then": "stay"}], "people.1.step"),
    ],
)
def test_an_answer_that_makes_no_sense_publishes_nothing(answer: list[object], field: str) -> None:
    program = Program()
    flow = FlowFactory(workspace=program.workspace, steps=EXIT)
    refused = program.post(f"/flows/{flow.pk}/versions", {"people": answer})
    assert fields(problem(refused, 422, "refused")) == [field]
    assert publishing.latest(flow) is None


def test_an_editor_writes_flows_and_cannot_publish_them() -> None:
    program = Program(role="editor")
    flow = program.post("/flows", {"name": "Welcome", "steps": EXIT}).json()
    problem(program.post(f"/flows/{flow['id']}/versions", {}), 403, "role")


def test_a_list_of_flows_costs_the_same_for_any_number(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    program = Program()
    for _ in range(5):
        make_flow(leave(1), workspace=program.workspace)
    with django_assert_max_num_queries(8):
        items = program.get("/flows").json()["items"]
    assert [(flow["version"], flow["is_changed"]) for flow in items] == [(1, False)] * 5


# --- One person --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_where_a_person_is_and_why_is_said() -> None:
    program = Program()
    flow, campaign = in_flight(program)
    place = Enrollment.objects.get()
    [found] = program.get(f"/customers/{place.customer_id}/enrollments").json()["items"]
    assert (found["campaign_id"], found["flow_id"], found["version"]) == (campaign.pk, flow.pk, 1)
    assert (found["step"], found["state"]) == (1, "waiting") and "Waits at" in found["explanation"]
    one = program.get(f"/customers/{place.customer_id}/enrollments/{place.pk}").json()
    assert [decision["what"] for decision in one["decisions"]] == ["Began the flow", "Waits"]
    path = f"/customers/{place.customer_id}/enrollments?state=left"
    assert program.get(path).json()["items"] == []


# --- Automations and goals ---------------------------------------------------------------------------


def test_a_draft_becomes_an_automation_and_a_campaign_again() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace)
    path = f"/campaigns/{campaign.pk}/automation"
    problem(program.get(path), 404, "not-found")
    said = program.put(path, {"start": "event", "event": "order_placed", "again": "always"})
    assert said.status_code == 200 and said.json() == program.get(path).json()
    assert (said.json()["event"], said.json()["at"]) == ("order_placed", "09:00:00")
    assert program.get(f"/campaigns/{campaign.pk}").json()["kind"] == "automation"
    assert program.put(path, {"start": "segment"}).json()["event"] == ""
    assert [program.call("DELETE", path).status_code for _ in range(2)] == [204, 204]
    assert program.get(f"/campaigns/{campaign.pk}").json()["kind"] == "campaign"


def test_what_is_not_a_draft_cannot_become_an_automation() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace, status="active")
    answer = program.put(f"/campaigns/{campaign.pk}/automation", {"start": "segment"})
    problem(answer, 409, "not-a-draft")


def test_a_goal_is_set_and_read_back_and_one_that_is_none_refused() -> None:
    program = Program()
    goal = {"goal_event": "order_placed", "goal_days": 3, "goal_value": "total"}
    answer = program.post("/campaigns", {"name": "Spring", **goal})
    assert answer.json() == answer.json() | goal
    bad = program.post("/campaigns", {"name": "S", "goal_event": "Order placed", "goal_days": 0})
    assert set(fields(problem(bad, 422, "refused"))) == {"goal_event", "goal_days"}
