"""A test kit for flows: steps in a line each, a cast, a clock, and what is expected as a short table.

flow = make_flow(send(1), wait(2, days=3), send(3), leave(4))
cast(ada="Europe/Berlin", bo="America/Lima")
assert table(simulate(flow, ids(), at("2026-03-09 09:00"))) == \"\"\"
    ada  step 1  Mon 09 Mar 09:00
    ...\"\"\"
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from audience import clock
from audience.models import Customer, Workspace
from campaigns import lifecycle
from campaigns.flows import publishing
from campaigns.models import Campaign, Enrollment, Flow
from delivery import feedback
from delivery.models import Event, SendLog
from delivery.simulator import Plan, PlannedMail
from delivery.worker import Worker
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    FlowFactory,
    TemplateFactory,
    WorkspaceFactory,
)

Step = dict[str, Any]


def send(key: int, **more: Any) -> Step:
    return {"key": key, "kind": "send", **more}


def wait(key: int, **lasts: Any) -> Step:
    return {"key": key, "kind": "wait", "for": lasts}


def until(key: int, **moment: Any) -> Step:
    return {"key": key, "kind": "wait", "until": moment}


def rules(*rules: tuple[str, str, Any]) -> dict[str, Any]:
    return {
        "all": [
            {"field": field, "operator": operator} | ({} if value is None else {"value": value})
            for field, operator, value in rules
        ]
    }


def ask(key: int, *asked: tuple[str, str, Any], yes: Iterable[Step] = (), no: Iterable[Step] = ()) -> Step:
    return {"key": key, "kind": "condition", "criteria": rules(*asked), "yes": [*yes], "no": [*no]}


def wait_for(
    key: int,
    *asked: tuple[str, str, Any],
    at_most: dict[str, int],
    yes: Iterable[Step] = (),
    no: Iterable[Step] = (),
) -> Step:
    return {
        "key": key,
        "kind": "wait_for",
        "criteria": rules(*asked),
        "at_most": at_most,
        "yes": [*yes],
        "no": [*no],
    }


def split(key: int, *branches: tuple[int, list[Step]]) -> Step:
    named = [
        {"name": chr(65 + number), "weight": weight, "steps": steps}
        for number, (weight, steps) in enumerate(branches)
    ]
    return {"key": key, "kind": "split", "branches": named}


def update(key: int, attribute: str, value: Any) -> Step:
    return {"key": key, "kind": "update", "attribute": attribute, "value": value}


def jump(key: int, to: int) -> Step:
    return {"key": key, "kind": "jump", "to": to}


def leave(key: int) -> Step:
    return {"key": key, "kind": "exit"}


def make_flow(*steps: Step, workspace: Workspace | None = None, published: bool = True) -> Flow:
    """A flow whose send steps have a template each, with a subject of its own; published or not."""
    workspace = workspace or WorkspaceFactory()
    flow: Flow = FlowFactory(workspace=workspace)
    edit(flow, *steps)
    if published:
        publishing.publish(flow)
    return flow


def edit(flow: Flow, *steps: Step) -> None:
    """Let the editor hold other steps."""
    flow.steps = [_with_template(flow.workspace, step) for step in steps]
    flow.save(update_fields=["steps"])


def _with_template(workspace: Workspace, step: Step) -> Step:
    if step["kind"] == "send" and "template" not in step:
        template = TemplateFactory(workspace=workspace, subject=f"Mail {step['key']}")
        return step | {"template": template.pk}
    step = dict(step)
    for branch in ("yes", "no"):
        if branch in step:
            step[branch] = [_with_template(workspace, inner) for inner in step[branch]]
    if "branches" in step:
        step["branches"] = [
            branch | {"steps": [_with_template(workspace, inner) for inner in branch["steps"]]}
            for branch in step["branches"]
        ]
    return step


def cast(**zones: str) -> dict[str, Customer]:
    """People by their first names, each in a time zone."""
    return {
        name: CustomerFactory(email=f"{name}@example.com", name=name.title(), time_zone=zone)
        for name, zone in zones.items()
    }


def ids() -> list[int]:
    return list(Customer.objects.order_by("pk").values_list("pk", flat=True))


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def table(plan: Plan, zone: str = "Europe/Berlin") -> str:
    """Who gets which mail when, by one clock; mails that do not leave with their reason."""
    lines = [
        f"{mail.email.partition('@')[0]:<5}step {mail.step}  {_when(mail, ZoneInfo(zone))}"
        for mail in sorted(plan.mails, key=lambda mail: (mail.at or mail.due_at, mail.email))
    ]
    return "\n".join(lines)


def same(found: str, expected: str) -> None:
    assert found == textwrap.dedent(expected).strip()


def _when(mail: PlannedMail, zone: ZoneInfo) -> str:
    return f"{mail.at.astimezone(zone):%a %d %b %H:%M}" if mail.at else mail.reason


def on_flow(flow: Flow, **columns: Any) -> Campaign:
    """A draft on a flow, to everybody who opted in."""
    campaign: Campaign = CampaignFactory(workspace=flow.workspace, flow=flow, template=None, **columns)
    return campaign


def work() -> None:
    """Let a worker do all that is due."""
    with Worker() as worker:
        worker.run_until_idle()


def sent(campaign: Campaign) -> list[tuple[str, int]]:
    """Who was sent which step's mail, in this order."""
    rows = SendLog.objects.filter(campaign=campaign, status="sent").order_by("sent_at", "id")
    return [(row.email.partition("@")[0], row.step) for row in rows]


START = at("2027-03-26 09:00")


def days(count: float) -> datetime:
    """So many days after the start."""
    return START + timedelta(days=count)


def activated(*steps: Step, **columns: Any) -> Campaign:
    """An active campaign on a flow of these steps."""
    campaign = on_flow(make_flow(*steps), **columns)
    lifecycle.activate(campaign)
    return campaign


def reacted(row: SendLog, type_: Event.Type, verdict: str = Event.Verdict.PERSON) -> None:
    """Let a pixel or a link have been asked for, and judged."""
    feedback.report(row.pk, type_)
    Event.objects.filter(sendlog=row, type=type_).update(verdict=verdict)


def work_at(moment: datetime) -> None:
    """Let a worker do all that is due at a moment."""
    with clock.at(moment):
        work()


def states(campaign: Campaign) -> Counter[str]:
    """How many people are in which state."""
    return Counter(Enrollment.objects.filter(campaign=campaign).values_list("state", flat=True))
