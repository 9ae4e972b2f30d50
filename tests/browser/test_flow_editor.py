"""The flow editor in a browser: by mouse, by keyboard, by drag, and readable for everybody."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from campaigns import lifecycle
from campaigns.flows import editing
from campaigns.models import Flow
from tests.factories import TemplateFactory
from tests.flows import ask, cast, leave, make_flow, on_flow, send, split, until, update, wait, work
from tests.pages import LOOKS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def flow() -> Flow:
    """Ten steps and more, three branches, one of which branches again."""
    cast(ada="Europe/Berlin", bo="America/Lima")
    opened = ask(7, ("mail.opened", "since_step", 6), yes=[update(8, "plan", "pro")], no=[send(9)])
    ways = split(3, (2, [send(4), wait(5, days=3)]), (1, [send(6), opened]), (1, [until(10, at="10:00")]))
    made = make_flow(send(1, name="Welcome"), wait(2, days=2), ways, send(11), leave(12), published=False)
    TemplateFactory(name="Tour", workspace=made.workspace)
    return made


def keys() -> list[Any]:
    return [step["key"] for step in Flow.objects.get().steps]


def branch(owner: int, way: str) -> list[Any]:
    lane = editing.lane_of(Flow.objects.get().steps, editing.Place(owner, way, 0))
    return [step["key"] for step in lane]


@pytest.fixture
def editor(page: Page, site: str, flow: Flow) -> Page:
    page.goto(f"{site}/admin/campaigns/flow/{flow.pk}/editor/")
    expect(page.get_by_text("goes to").first.or_(page.get_by_text("nothing is left to mend"))).to_be_visible()
    return page


def test_a_step_is_added_set_up_and_removed(editor: Page) -> None:
    editor.get_by_role("button", name="Add a step before “Welcome”").click()
    editor.locator("#kinds").get_by_role("button", name="Send a mail").click()
    new = editor.locator("#step-13")
    expect(new.get_by_text("No template is chosen")).to_be_visible()
    new.get_by_label("Template").select_option("Tour")
    new.get_by_role("button", name="Save the step").click()
    expect(editor.locator("#step-13 .step-words p")).to_have_text("Tour")
    assert keys() == [13, 1, 2, 3, 11, 12]
    editor.on("dialog", lambda dialog: dialog.accept())
    new.hover()
    new.get_by_role("button", name="Remove").click()
    expect(new).to_have_count(0)
    assert keys() == [1, 2, 3, 11, 12]


def test_steps_are_moved_by_keyboard_and_stay_in_focus(editor: Page) -> None:
    editor.locator("#title-1").focus()
    editor.keyboard.press("Alt+ArrowDown")
    expect(editor.locator("#step-1")).to_be_focused()
    assert keys() == [2, 1, 3, 11, 12]
    editor.locator("#title-4").focus()
    editor.keyboard.press("Alt+ArrowUp")
    expect(editor.locator("#step-4")).to_be_focused()
    assert keys() == [2, 1, 4, 3, 11, 12]


def test_a_step_is_dragged_into_a_branch(editor: Page) -> None:
    handle, target = editor.locator("#step-11 .icon-box"), editor.locator("#step-5")
    with editor.expect_response(lambda response: "/act/" in response.url):
        handle.drag_to(target)
    expect(editor.locator("#step-11")).to_be_focused()
    assert keys() == [1, 2, 3, 12] and 11 in branch(3, "0")


def test_rules_follow_what_is_chosen(editor: Page) -> None:
    editor.locator("#title-7").click()
    form = editor.locator("#settings-7")
    form.get_by_role("button", name="Field: this flow's mail opened").click()
    editor.get_by_role("combobox", name="Search").fill("customer since")
    editor.keyboard.press("Enter")
    expect(form.get_by_label("Step", exact=True)).to_have_count(0)
    form.get_by_label("How", exact=True).select_option("in the last")
    form.get_by_label("Days", exact=True).fill("30")
    form.get_by_role("button", name="Save the step").click()
    expect(editor.locator("#step-7 .step-words p")).to_contain_text("customer since in the last 30 days")


def test_on_a_phone_branches_stand_below_each_other_also_when_one_ends(page: Page, site: str) -> None:
    flow = make_flow(ask(1, ("subscribed", "equals", True), yes=[leave(2)]), leave(3), published=False)
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{site}/admin/campaigns/flow/{flow.pk}/editor/")
    expect(page.locator("#step-3")).to_be_visible()
    widths = page.locator(".step").evaluate_all("steps => steps.map((step) => step.offsetWidth)")
    assert len(widths) == 3 and max(widths) < 390


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everybody_can_read_it(
    page: Page, site: str, flow: Flow, scheme: Any, width: int, mailbox: Any
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    editing.edit(flow, editing.fingerprint(flow.steps), editing.remove(8))
    make_flow(send(1), leave(2), workspace=flow.workspace)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    problems: list[Any] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    running = make_flow(send(1), wait(2, days=3), leave(3), workspace=flow.workspace)
    lifecycle.activate(on_flow(running))
    work()
    addresses = [f"/admin/campaigns/flow/{each.pk}/editor/" for each in (flow, running)]
    addresses += [f"/flows/{running.pk}/simulate/?run=yes", "/admin/campaigns/flow/add/"]
    for address in addresses:
        page.goto(f"{site}{address}")
        if "editor" in address:
            expect(page.locator("#flow-preview [aria-live]")).not_to_be_empty()
            page.locator("#title-1").click()
            expect(page.locator("#settings-1 form")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        found = axe.run(page, context=".delivery")
        problems += [
            (address, each["id"], each["nodes"][0]["html"][:150]) for each in found.response["violations"]
        ]
    assert problems == []
