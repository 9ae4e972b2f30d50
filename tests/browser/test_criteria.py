"""The builder of criteria in a browser: by mouse, by keyboard, by drag; its text says the same."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from audience.models import Segment, Workspace
from campaigns.models import Campaign, Flow
from tests.factories import (
    AttributeFactory,
    CampaignFactory,
    CustomerFactory,
    SegmentFactory,
    WorkspaceFactory,
)
from tests.flows import ask, leave, make_flow, send
from tests.pages import LOOKS

pytestmark = pytest.mark.django_db(transaction=True)


def rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({"value": value[0]} if value else {})


OPTED_IN = rule("subscribed", "equals", True)
IN_LIMA = rule("attributes.city", "equals", "Lima")
ORDERS = rule("attributes.orders", "greater_or_equal", 3)


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory()
    AttributeFactory(workspace=workspace, name="city", type="text")
    AttributeFactory(workspace=workspace, name="orders", type="number")
    for number, city in enumerate(["Lima", "Lima", "Berlin"] * 10):
        CustomerFactory(workspace=workspace, attributes={"city": city, "orders": number})
    return workspace


@pytest.fixture
def new(page: Page, site: str, workspace: Workspace) -> Page:
    page.goto(f"{site}/admin/audience/segment/add/")
    expect(page.locator(".criteria-answer .count")).to_have_text("30")
    return page


def edit(page: Page, site: str, criteria: Any) -> Segment:
    segment: Segment = SegmentFactory(criteria=criteria)
    page.goto(f"{site}/admin/audience/segment/{segment.pk}/change/")
    expect(page.locator(".criteria-group.root")).to_be_visible()
    expect(page.locator(".criteria-answer")).not_to_contain_text("Save it to see")
    return segment


def save(page: Page) -> Any:
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/audience/segment/")
    return Segment.objects.get().criteria


def written(page: Page) -> Any:
    return json.loads(page.locator("textarea[name=criteria]").input_value())


def choose(page: Page, row: Locator, search: str, name: str) -> None:
    row.get_by_role("button", name="Field").click()
    page.get_by_role("combobox", name="Search").fill(search)
    # Mails are asked about twice, the flow's own first.
    options(page).filter(has_text=re.compile(f"^{re.escape(name)}$")).first.click()


def options(page: Page) -> Locator:
    """What the box offers that was opened; operators are options too."""
    return page.locator(".criteria-picker").get_by_role("option")


def root(page: Page) -> Locator:
    return page.locator(".criteria-group.root > .criteria-foot")


# --- By mouse --------------------------------------------------------------------------------------------


def test_a_nested_segment_is_built_by_clicking(new: Page) -> None:
    page = new
    page.get_by_label("Name").fill("Locals")
    root(page).get_by_role("button", name="Group").click()
    first = page.get_by_role("group", name="Group 2").get_by_role("group", name="Rule 1")
    choose(page, first, "cit", "city")
    first.get_by_label("How").select_option("is one of")
    first.get_by_label("Add a value").fill("Lima, Rome")
    page.keyboard.press("Enter")
    page.get_by_role("group", name="Group 2").get_by_role("button", name="Rule", exact=True).click()
    second = page.get_by_role("group", name="Group 2").get_by_role("group", name="Rule 2")
    choose(page, second, "order", "orders")
    second.get_by_label("How").select_option("≥")
    second.get_by_label("Value").fill("27.5")
    expect(page.locator(".criteria-answer .count")).to_have_text("21")
    expect(page.locator(".criteria-answer .words")).to_contain_text(
        '(city is one of "Lima", "Rome" or orders ≥ 27.5)'
    )
    expect(page.locator(".drumbeat-people li")).to_have_count(20)
    assert save(page) == {
        "all": [
            OPTED_IN,
            {
                "any": [
                    rule("attributes.city", "in", ["Lima", "Rome"]),
                    rule("attributes.orders", "greater_or_equal", 27.5),
                ]
            },
        ]
    }


def test_values_are_suggested_from_the_data(page: Page, site: str, workspace: Workspace) -> None:
    edit(page, site, {"all": [rule("attributes.city", "equals", "")]})
    page.get_by_label("Value").focus()
    expect(page.locator("datalist option")).to_have_count(2)
    assert page.locator("datalist option").first.get_attribute("value") == "Lima"
    page.get_by_label("Value").fill("ber")
    expect(page.locator("datalist option")).to_have_count(1)


def test_a_campaign_is_searched_by_its_name(page: Page, site: str, workspace: Workspace) -> None:
    spring, autumn = (CampaignFactory(name=name, segment=None) for name in ("Spring", "Autumn"))
    edit(page, site, {"all": [rule("engagement.opened", "campaign", autumn.pk)]})
    page.locator("[data-part=value]", has_text="Autumn").click()
    page.get_by_role("combobox", name="Search").fill("spr")
    expect(options(page)).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=value]")).to_have_text(re.compile("Spring"))
    expect(page.locator(".criteria-answer .words")).to_contain_text('in campaign "Spring"')
    assert written(page)["all"][0]["value"] == spring.pk


def test_rules_are_duplicated_grouped_ungrouped_and_removed(
    page: Page, site: str, workspace: Workspace
) -> None:
    edit(page, site, {"all": [OPTED_IN, ORDERS]})

    def more(row: str, act: str) -> None:
        page.get_by_role("group", name=row, exact=True).get_by_label("More").first.click()
        page.get_by_role("button", name=act).click()

    more("Rule 2", "Duplicate")
    assert written(page) == {"all": [OPTED_IN, ORDERS, ORDERS]}
    more("Rule 3", "Put into a group")
    assert written(page) == {"all": [OPTED_IN, ORDERS, {"any": [ORDERS]}]}
    more("Group 3", "Ungroup")
    assert written(page) == {"all": [OPTED_IN, ORDERS, ORDERS]}
    page.get_by_role("group", name="Rule 1").get_by_role("button", name="Remove the rule").click()
    page.get_by_label("How many of these must hold").select_option("any of these")
    assert written(page) == {"any": [ORDERS, ORDERS]}


def test_a_rule_is_dragged_into_a_group(page: Page, site: str, workspace: Workspace) -> None:
    edit(page, site, {"all": [OPTED_IN, ORDERS, {"any": [IN_LIMA]}]})
    handle = page.get_by_role("group", name="Rule 1", exact=True).first.locator(".criteria-handle")
    handle.drag_to(page.get_by_role("group", name="Group 3").get_by_role("group", name="Rule 1"))
    expect(page.locator(".criteria > [role=status]")).to_contain_text("Moved")
    assert written(page)["all"][0] == ORDERS
    assert OPTED_IN in written(page)["all"][1]["any"] and IN_LIMA in written(page)["all"][1]["any"]
    expect(page.locator(".criteria-nodes > li")).to_have_count(4)


# --- By keyboard -----------------------------------------------------------------------------------------


def test_a_nested_segment_is_built_by_keyboard(new: Page) -> None:
    page, press = new, new.keyboard.press
    page.get_by_label("Name").fill("Locals")
    root(page).get_by_role("button", name="Group").focus()
    press("Enter")
    expect(page.locator("[data-part=field]").last).to_be_focused()
    press("Enter")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    page.keyboard.type("orders")
    expect(options(page)).to_have_count(1)
    press("Enter")
    expect(page.get_by_label("How", exact=True).last).to_be_focused()
    page.keyboard.type(">")
    press("Tab")
    page.keyboard.type("12")
    expect(page.locator(".criteria-answer .count")).to_have_text("17")
    press("Shift+Tab")
    press("Alt+ArrowUp")
    assert written(page) == {"all": [OPTED_IN, rule("attributes.orders", "greater", 12)]}
    press("Alt+ArrowUp")
    expect(page.get_by_role("group", name="Rule 1")).to_be_focused()
    assert save(page) == {"all": [rule("attributes.orders", "greater", 12), OPTED_IN]}


def test_rules_move_through_the_tree_by_keyboard(page: Page, site: str, workspace: Workspace) -> None:
    edit(page, site, {"all": [OPTED_IN, {"any": [ORDERS, IN_LIMA]}]})
    page.get_by_role("group", name="Rule 1", exact=True).first.focus()
    seen = []
    for _ in range(4):
        page.keyboard.press("Alt+ArrowDown")
        seen.append(written(page)["all"])
    assert seen == [
        [{"any": [OPTED_IN, ORDERS, IN_LIMA]}],
        [{"any": [ORDERS, OPTED_IN, IN_LIMA]}],
        [{"any": [ORDERS, IN_LIMA, OPTED_IN]}],
        [{"any": [ORDERS, IN_LIMA]}, OPTED_IN],
    ]
    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator(".criteria > [role=status]")).to_have_text("That is not possible here.")


def test_what_was_opened_by_mistake_closes_with_escape(page: Page, site: str, workspace: Workspace) -> None:
    edit(page, site, {"all": [OPTED_IN]})
    for opener in (page.locator("[data-part=field]"), page.get_by_label("More")):
        opener.focus()
        page.keyboard.press("Enter")
        expect(opener).to_have_attribute("aria-expanded", "true")
        page.keyboard.press("Escape")
        expect(opener).to_be_focused()
        expect(page.locator("[popover]")).to_have_count(0)


# --- What is wrong, and the text -------------------------------------------------------------------------


def test_what_is_missing_is_said_at_its_rule_and_nothing_else_is_lost(new: Page) -> None:
    page = new
    page.get_by_label("Name").fill("Locals")
    root(page).get_by_role("button", name="Rule", exact=True).click()
    second = page.get_by_role("group", name="Rule 2")
    expect(second.get_by_text("Choose what is asked about.")).to_be_visible()
    choose(page, second, "orders", "orders")
    expect(second.get_by_text("Enter a number.")).to_be_visible()
    expect(page.get_by_role("group", name="Rule 1").locator(".problem")).to_be_hidden()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(re.compile("Please correct the error"))).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Locals")
    expect(second.get_by_text("Enter a number.")).to_be_visible()
    second.get_by_label("Value").fill("29")
    expect(second.locator(".problem")).to_be_hidden()
    expect(page.locator(".criteria-answer .count")).to_have_text("1")
    assert save(page) == {"all": [OPTED_IN, rule("attributes.orders", "equals", 29)]}


def test_the_text_and_the_rules_say_the_same(page: Page, site: str, workspace: Workspace) -> None:
    segment = edit(page, site, {"all": [OPTED_IN]})
    page.get_by_role("button", name="As text").click()
    text = page.locator("textarea[name=criteria]")
    assert json.loads(text.input_value()) == segment.criteria
    text.fill(json.dumps({"any": [IN_LIMA, {"all": [ORDERS]}]}))
    expect(page.locator(".criteria-answer .count")).to_have_text("29")
    page.get_by_role("button", name="Rules").click()
    expect(page.locator(".criteria-rule")).to_have_count(2)
    expect(page.get_by_label("Value").first).to_have_value("Lima")
    page.get_by_role("button", name="As text").click()
    text.fill('{"any": [')
    expect(page.get_by_text("The text is not JSON at this moment")).to_be_visible()
    expect(page.locator(".criteria-answer")).to_contain_text("Line 1, column 10")
    assert text.input_value() == '{"any": ['


def test_what_cannot_be_shown_is_left_alone_and_said(page: Page, site: str, workspace: Workspace) -> None:
    odd = rule("attributes.orders", "equals", "three") | {"comment": "by hand"}
    gone = rule("attributes.gone", "equals", ["x"])
    edit(page, site, {"all": [odd, gone, rule("attributes.orders", "less", "many"), OPTED_IN]})
    expect(page.get_by_text("It cannot be shown as a rule and stays as it is written.")).to_be_visible()
    expect(page.get_by_text("There is no field 'attributes.gone'.")).to_be_visible()
    expect(page.get_by_text("Needs a number such as 3 or 49.5, not 'many'.")).to_be_visible()
    page.get_by_role("group", name="Rule 4").get_by_label("Value").select_option("no")
    assert written(page)["all"] == [
        odd,
        gone,
        rule("attributes.orders", "less", "many"),
        rule("subscribed", "equals", False),
    ]


def test_without_javascript_the_text_works(
    browser: Browser, page: Page, site: str, workspace: Workspace
) -> None:
    plain = browser.new_context(
        java_script_enabled=False, storage_state=page.context.storage_state()
    ).new_page()
    plain.goto(f"{site}/admin/audience/segment/add/")
    plain.locator("[name=name]").fill("Locals")
    plain.locator("[name=criteria]").fill(json.dumps({"all": [IN_LIMA]}))
    plain.get_by_role("button", name="Save", exact=True).click()
    assert Segment.objects.get().criteria == {"all": [IN_LIMA]}


# --- In the flow editor ----------------------------------------------------------------------------------


def test_a_condition_of_a_flow_is_nested_by_clicking(page: Page, site: str, workspace: Workspace) -> None:
    steps = [send(1, name="Welcome"), ask(2, ("mail.opened", "since_step", 1)), leave(3)]
    flow = make_flow(*steps, workspace=workspace, published=False)
    page.goto(f"{site}/admin/campaigns/flow/{flow.pk}/editor/")
    page.locator("#title-2").click()
    form = page.locator("#settings-2")
    root(page).get_by_role("button", name="Group").click()
    group = form.get_by_role("group", name="Group 2")
    choose(page, group, "property", "a property of the event")
    group.get_by_label("Property", exact=True).fill("total")
    group.get_by_label("Its type").select_option("Number")
    group.get_by_label("How", exact=True).select_option(">")
    expect(group.get_by_text("Enter a number.")).to_be_visible()
    group.get_by_label("Value").fill("50")
    group.get_by_role("button", name="Rule", exact=True).click()
    second = group.get_by_role("group", name="Rule 2")
    choose(page, second, "this flow's mail clicked", "this flow's mail clicked")
    second.get_by_label("How", exact=True).select_option("not since")
    second.get_by_label("Step", exact=True).select_option("Welcome (step 1)")
    expect(page.locator("#asked-2")).to_contain_text(
        "(the event's total > 50 or this flow's mail clicked not since step 1)"
    )
    form.get_by_role("button", name="Save the step").click()
    expect(page.locator("#step-2 .step-words p")).to_contain_text(
        "or this flow's mail clicked not since step 1)"
    )
    assert Flow.objects.get().steps[1]["criteria"] == {
        "all": [
            rule("mail.opened", "since_step", 1),
            {"any": [rule("event.total", "greater", 50), rule("mail.clicked", "not_since_step", 1)]},
        ]
    }


# --- For everybody ---------------------------------------------------------------------------------------

EVERY_KIND = {
    "any": [
        OPTED_IN,
        rule("attributes.orders", "between", [1, 5]),
        rule("created_at", "between", ["2026-01-01", "2026-02-01"]),
        rule("created_at", "in_last_days", 30),
        rule("attributes.city", "in", ["Lima", "A city with a name that is long enough to be broken"]),
        rule("attributes.city", "is_not_set"),
        {"all": [IN_LIMA, {"any": [ORDERS, {"all": [rule("", ""), rule("attributes.gone", "equals", 1)]}]}]},
        {"odd": 1},
    ]
}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everybody_can_use_it(page: Page, site: str, workspace: Workspace, scheme: Any, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    problems: list[Any] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)

    def look(state: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width, state
        found = axe.run(page, context=".delivery").response["violations"]
        problems.extend((state, each["id"], [node["html"] for node in each["nodes"]]) for each in found)

    page.goto(f"{site}/admin/audience/segment/")
    look("no segments")
    segment = edit(page, site, EVERY_KIND)
    CampaignFactory(segment=segment, status=Campaign.Status.ACTIVE)
    page.reload()
    expect(page.get_by_text("Choose what is asked about.").last).to_be_visible()
    look("every kind of value")
    page.locator("[data-part=field]").first.click()
    expect(options(page).first).to_be_visible()
    look("choosing a field")
    page.keyboard.press("Escape")
    page.get_by_label("More").first.click()
    look("the menu of a rule")
    page.keyboard.press("Escape")
    page.goto(f"{site}/admin/audience/segment/")
    look("the list")
    assert problems == []
