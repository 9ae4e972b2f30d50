"""The drawn editor of flows: what its page shows, what its buttons do, who may press them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Attribute, Membership
from campaigns.flows import editing
from campaigns.flows.drawing import Drawing
from campaigns.models import Flow
from tests.factories import (
    AttributeFactory,
    CustomerFactory,
    MembershipFactory,
    TemplateFactory,
    WorkspaceFactory,
)
from tests.flows import ask, leave, make_flow, send, split, update, wait, wait_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.OWNER).user)
    return client


@pytest.fixture
def flow(staff: Client) -> Flow:
    return make_flow(
        send(1, name="Hello"), ask(2, ("subscribed", "equals", True), yes=[wait(3, days=1)]), leave(4)
    )


def url(name: str, *args: object) -> str:
    return reverse(f"admin:campaigns_flow_{name}", args=args)


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def act(staff: Client, flow: Flow, **values: Any) -> Any:
    seen = editing.fingerprint(Flow.objects.get(pk=flow.pk).steps)
    return staff.post(url("act", flow.pk), {"seen": seen} | values)


def save(staff: Client, flow: Flow, key: int, **values: Any) -> Any:
    """Save a step's settings; the step as it is stored then."""
    seen = editing.fingerprint(Flow.objects.get(pk=flow.pk).steps)
    response = staff.post(url("step", flow.pk, key), {"seen": seen, "save": "yes"} | values)
    assert response.status_code == 200
    step = editing.find(Flow.objects.get(pk=flow.pk).steps, key)
    return {name: value for name, value in step.items() if name not in ("key", "kind", "yes", "no")}


def test_the_list_leads_to_the_drawing_which_shows_every_step(staff: Client, flow: Flow) -> None:
    assert url("editor", flow.pk) in text(staff.get(url("changelist")))
    page = text(staff.get(url("editor", flow.pk)))
    for shown in ("Hello", "e-mail opt-in is yes", "1 day", "Version 1"):
        assert shown in page


def test_steps_are_added_moved_and_removed_in_place(staff: Client, flow: Flow) -> None:
    act(staff, flow, act="add", kind="wait", owner=2, way="no", index=0)
    act(staff, flow, act="move", key=1, owner=2, way="yes", index=1)
    act(staff, flow, act="up", key=4)
    act(staff, flow, act="remove", key=3)
    [exit_, asks] = Flow.objects.get().steps
    assert exit_["key"] == 4
    assert [step["key"] for step in asks["yes"]] == [1] and [step["key"] for step in asks["no"]] == [5]


def test_what_somebody_else_has_changed_is_not_written_over(staff: Client, flow: Flow) -> None:
    response = staff.post(url("act", flow.pk), {"seen": "old", "act": "remove", "key": 1})
    assert "Somebody else has changed this flow" in text(response)
    assert len(Flow.objects.get().steps) == 3


def test_what_is_wrong_is_said_at_its_step(staff: Client, flow: Flow) -> None:
    page = text(act(staff, flow, act="add", kind="send", owner=0, way="", index=0))
    place = page.index('id="step-5"')
    assert place < page.index("No template is chosen") < page.index('id="step-1"')
    assert "1 to mend" in page


def test_each_kind_of_step_has_its_settings(staff: Client) -> None:
    AttributeFactory(name="orders", type=Attribute.Type.NUMBER)
    flow = make_flow(
        send(1), wait(2, days=1), wait_for(3, ("mail.opened", "since_step", 1), at_most={"days": 1}),
        ask(4, ("subscribed", "equals", True)), split(5, (1, []), (1, [])), update(6, "orders", 1),
        {"key": 7, "kind": "jump", "to": 2}, leave(8), published=False,
    )  # fmt: skip
    for key in range(1, 9):
        form = text(staff.get(url("step", flow.pk, key)))
        assert "Save the step" in form
    template = TemplateFactory()
    assert save(staff, flow, 1, template=template.pk, cutoff="90", name="Hi") == {
        "template": template.pk, "cutoff": 90, "name": "Hi",
    }  # fmt: skip
    assert save(staff, flow, 2, mode="for", days="2", at="09:00") == {"for": {"days": 2, "at": "09:00"}}
    weekly = {"until": {"at": "10:00", "weekdays": [1, 4]}}
    assert save(staff, flow, 2, mode="time", time="10:00", weekday=["1", "4"]) == weekly
    dated = {"until": {"date": "2027-12-24", "at": "08:00"}}
    assert save(staff, flow, 2, mode="date", date="2027-12-24", date_at="08:00") == dated
    assert save(staff, flow, 6, attribute="orders", type="number", value="2.5")["value"] == 2.5
    assert save(staff, flow, 7, to="1") == {"to": 1}
    assert save(staff, flow, 5, branch=["Left", "Right"], weight=["3", "1"])["branches"] == [
        {"name": "Left", "weight": 3, "steps": []}, {"name": "Right", "weight": 1, "steps": []},
    ]  # fmt: skip


NESTED = {"all": [{"any": [{"field": "event.total", "operator": "greater", "value": 50}]}]}


def test_criteria_are_saved_as_they_were_built(staff: Client, flow: Flow) -> None:
    assert save(staff, flow, 2, criteria=json.dumps(NESTED))["criteria"] == NESTED
    form = staff.get(url("step", flow.pk, 2))
    assert json.loads(form.context["criteria_text"]) == NESTED
    assert save(staff, flow, 2, criteria="")["criteria"] == {}


def test_the_builder_may_ask_about_the_flows_own_mails_and_the_event(staff: Client, flow: Flow) -> None:
    words = staff.get(url("step", flow.pk, 2)).context["vocabulary"]
    groups = {group["label"]: [field["name"] for field in group["fields"]] for group in words["groups"]}
    assert "mail.opened" in groups["The mails of this flow"] and "email" in groups["Customer"]
    assert groups["The event they began by"] == ["event."]
    assert words["choices"]["step"] == [(1, "Hello (step 1)")]
    numbers = words["operators"][words["event"]["number"]["operators"]]
    assert {"name": "greater", "words": ">", "takes": "number"} in numbers


def test_criteria_that_are_no_json_stay_in_the_form_and_nothing_is_saved(staff: Client, flow: Flow) -> None:
    seen = editing.fingerprint(flow.steps)
    said = {"seen": seen, "save": "yes", "criteria": '{"all": [oops', "name": "Mine"}
    response = staff.post(url("step", flow.pk, 2), said)
    assert response["HX-Retarget"] == "#settings-2"
    assert response.context["criteria_text"] == said["criteria"]
    assert "Line 1, column 10: this is not JSON" in text(response)
    assert Flow.objects.get().steps == flow.steps


@pytest.mark.parametrize(
    ("criteria", "answer"),
    [
        (json.dumps(NESTED), "the event&#x27;s total &gt; 50"),
        ("{", "not JSON"),
        ('{"all": []}', '"message": "Add a rule."'),
        (json.dumps(NESTED).replace("50", "null"), '"path": [0, 0], "message": "Enter a number."'),
    ],
)
def test_while_somebody_builds_criteria_they_are_put_into_words(
    staff: Client, flow: Flow, criteria: str, answer: str
) -> None:
    assert answer in text(staff.post(url("criteria", flow.pk), {"criteria": criteria}))


def test_how_many_meet_criteria_is_counted_where_it_is_known(staff: Client, flow: Flow) -> None:
    CustomerFactory.create_batch(2, workspace=flow.workspace)
    CustomerFactory(workspace=flow.workspace, subscribed=False)
    opted_in = json.dumps({"all": [{"field": "subscribed", "operator": "equals", "value": True}]})
    counted = text(staff.post(url("criteria", flow.pk), {"criteria": opted_in}))
    assert "<b>2</b> customers meet this now." in counted
    opened = json.dumps({"all": [{"field": "mail.opened", "operator": "since_step", "value": 1}]})
    assert "this now" not in text(staff.post(url("criteria", flow.pk), {"criteria": opened}))
    assert Flow.objects.get().steps == flow.steps


def test_a_flow_is_made_from_a_pattern(staff: Client) -> None:
    response = staff.post(url("add"), {"name": "Welcome", "pattern": "welcome"})
    flow = Flow.objects.get()
    assert response["Location"] == url("editor", flow.pk) and len(flow.steps) == 6
    again = text(staff.post(url("add"), {"name": "Welcome", "pattern": "welcome"}))
    assert "There is a flow “Welcome” already" in again
    assert "Give the flow a name" in text(staff.post(url("add"), {"name": " ", "pattern": "welcome"}))


def test_an_analyst_may_look_and_not_change(client: Client) -> None:
    flow = make_flow(send(1), leave(2))
    client.force_login(MembershipFactory(workspace=flow.workspace, role=Membership.Role.ANALYST).user)
    page = text(client.get(url("editor", flow.pk)))
    assert "data-add" not in page and ">Publish<" not in page
    assert act(client, flow, act="remove", key=1).status_code == 403
    assert client.post(url("step", flow.pk, 1), {"save": "yes"}).status_code == 403
    assert client.post(url("criteria", flow.pk), {"criteria": "{}"}).status_code == 403
    assert client.post(url("add"), {"name": "X", "pattern": "welcome"}).status_code == 403


def test_a_flow_of_another_workspace_is_not_there(staff: Client) -> None:
    foreign = make_flow(send(1), leave(2), workspace=WorkspaceFactory(name="Other", slug="other"))
    assert staff.get(url("editor", foreign.pk)).status_code in (302, 404)
    assert act(staff, foreign, act="remove", key=1).status_code == 404
    assert staff.post(url("criteria", foreign.pk), {"criteria": "{}"}).status_code == 404
    assert len(Flow.objects.get(pk=foreign.pk).steps) == 2


ODD = [
    {"kind": "send", "template": [], "sender": {}, "cutoff": "x"},
    {"kind": "wait", "until": {"weekdays": 3}},
    {"kind": "wait", "for": "long"},
    {"kind": "wait_for", "criteria": 7, "at_most": []},
    {"kind": "split", "branches": [{"name": 5, "weight": "x"}]},
    {"kind": "update", "attribute": [], "value": {}},
    {"kind": "jump", "to": []},
]


@pytest.mark.parametrize("step", ODD, ids=lambda step: step["kind"])
def test_what_was_written_oddly_as_text_is_drawn_with_its_problem(staff: Client, step: Any) -> None:
    flow = make_flow(published=False)
    Flow.objects.update(steps=[{"key": 1} | step])
    assert 'class="problem"' in text(staff.get(url("editor", flow.pk)))
    assert staff.get(url("step", flow.pk, 1)).status_code == 200


def test_what_cannot_be_drawn_is_mended_as_text(staff: Client) -> None:
    flow = make_flow(published=False)
    Flow.objects.update(steps=[{"key": "x"}])
    assert staff.get(url("editor", flow.pk))["Location"] == url("change", flow.pk)


@pytest.mark.parametrize(
    ("ends", "rails"),
    [
        ("...", ["right", "left right", "left"]),
        ("..x", ["right", "left", ""]),
        ("x..", ["", "right", "left"]),
        (".x.", ["right", "left right", "left"]),
        ("x.x", ["", "", ""]),
        (".xx", ["right", "left", ""]),
        ("xxx", ["", "", ""]),
        ("x.", ["", "left"]),
        ("..", ["right", "left"]),
    ],
)
def test_branches_are_joined_by_a_line_that_runs_past_those_that_end(ends: str, rails: list[str]) -> None:
    branches = [(1, [leave(10 + n)] if end == "x" else [wait(10 + n, days=1)]) for n, end in enumerate(ends)]
    drawn = Drawing(make_flow(split(1, *branches), leave(2), published=False))
    assert [lane.rail for lane in drawn.lane.steps[0].lanes] == rails
