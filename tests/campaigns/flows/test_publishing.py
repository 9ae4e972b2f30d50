from __future__ import annotations

import pytest

from audience.models import Attribute
from campaigns.flows import checks, publishing
from campaigns.flows.problems import InvalidFlow
from campaigns.models import FlowMail, FlowVersion, Template
from tests.factories import (
    AttributeFactory,
    CustomerFactory,
    SenderFactory,
    TemplateFactory,
    WorkspaceFactory,
)
from tests.flows import ask, edit, leave, make_flow, send, update, wait

pytestmark = pytest.mark.django_db


def problems(*steps: object) -> list[str]:
    flow = make_flow(*steps, published=False)  # type: ignore[arg-type]
    return [str(problem) for problem in checks.problems(flow.workspace, flow.steps)]


def test_version_freezes_what_its_mails_say() -> None:
    flow = make_flow(send(1), leave(2))
    Template.objects.update(subject="Edited")
    assert FlowMail.objects.get().content.subject == "Mail 1"
    assert publishing.publish(flow).number == 1, "nothing was changed"
    edit(flow, send(1), wait(3, days=1), leave(2))
    assert publishing.publish(flow).number == 2
    assert [version.number for version in flow.versions.all()] == [2, 1]


def test_flow_that_is_wrong_is_not_published() -> None:
    flow = make_flow(send(1), published=False)
    with pytest.raises(InvalidFlow, match="Nothing follows"):
        publishing.publish(flow)
    assert not FlowVersion.objects.exists()


def test_template_and_sender_must_be_of_the_workspace() -> None:
    other = WorkspaceFactory(slug="other")
    foreign, sender = TemplateFactory(workspace=other), SenderFactory(workspace=other)
    assert problems(send(1, template=foreign.pk), leave(2)) == [
        "Step 1: Its template does not exist here. Choose another."
    ]
    assert problems(send(1, sender=sender.pk), leave(2)) == [
        "Step 1: Its sender does not exist here. Choose another."
    ]


def test_template_that_fails_for_real_people_is_refused() -> None:
    AttributeFactory(name="words", type=Attribute.Type.TEXT)
    template = TemplateFactory(
        body="{% for a in (1..300) %}{{ customer.words }}{% endfor %}{{ unsubscribe_link }}"
    )
    steps = send(1, template=template.pk), leave(2)
    CustomerFactory(email="plain@example.com")
    assert problems(*steps) == []
    CustomerFactory(email="wordy@example.com", attributes={"words": "word " * 2000})
    [problem] = problems(*steps)
    assert "cannot be rendered as wordy@example.com" in problem


def test_criteria_are_checked() -> None:
    assert "there is no field 'shoe_size'" in problems(ask(1, ("shoe_size", "equals", 3)), leave(2))[0]
    assert problems(ask(1, ("event.total", "greater", 3)), leave(2)) == []
    assert problems(ask(1, ("mail.opened", "since_step", 9)), leave(2)) == [
        "Step 1: It asks about the mail of step 9, which sends none."
    ]
    assert problems(send(1), ask(2, ("mail.clicked", "not_since_step", 1)), leave(3)) == []


def test_attribute_that_is_set_must_exist_and_fit() -> None:
    AttributeFactory(name="orders", type=Attribute.Type.NUMBER)
    assert problems(update(1, "plan", "pro"), leave(2)) == [
        "Step 1: There is no attribute plan. Choose another."
    ]
    assert "is not a number" in problems(update(1, "orders", "many"), leave(2))[0]
    assert problems(update(1, "orders", "3"), leave(2)) == ["Step 1: Write the value of orders as 3."]
    assert problems(update(1, "orders", 3), leave(2)) == []
    assert problems(update(1, "orders", None), leave(2)) == []


def test_key_stays_its_steps_own() -> None:
    flow = make_flow(send(1), leave(2))
    edit(flow, wait(1, days=1), leave(2))
    with pytest.raises(InvalidFlow, match="This key was a send step before"):
        publishing.publish(flow)
